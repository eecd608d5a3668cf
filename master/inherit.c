/* Hands the stores of former workers to new ones. */
#include "master/inherit.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/fd.h"
#include "common/conf/conf.h"
#include "common/log/log.h"
#include "common/shm/store.h"
#include "master/generation.h"

static void
make_store(struct inheritance *in, struct child *c)
{
	const struct generation *g = c->generation;
	size_t size = store_size(g->conf->dns.cache_size);
	int error;

	if (size == 0)
		return;
	error = store_new("sniport-store", size, &in->writer, &c->store);
	if (error != 0)
		log_write(g->log, LOG_LEVEL_WARNING,
		    "worker %u: what it knows of names cannot be kept for "
		    "later workers: %s",
		    c->worker, strerrordesc_np(-error));
}

/* All that was left is shared out, and each worker has as much as the rest. */
static bool
is_share(size_t seat, size_t nseats, size_t worker, size_t nworkers)
{
	if (nseats > nworkers)
		return (seat % nworkers == worker);
	return (seat == worker % nseats);
}

static void
add(struct inheritance *in, int store)
{
	if (store >= 0)
		in->known[in->nknown++] = store;
}

void
inherit_init(
    struct inheritance *in, struct child *c, const struct generation *before)
{
	const struct generation *g = c->generation;
	int own = g->seats[c->worker].store;
	size_t i, n = before != NULL ? before->nworkers : 0;

	*in = (struct inheritance){ .writer = -1 };
	make_store(in, c);
	in->known = calloc(n + 1, sizeof(*in->known));
	if (in->known == NULL)
		return;
	add(in, own);
	if (own >= 0 || before == g)
		return;
	for (i = 0; i < n; i++)
		if (is_share(i, n, c->worker, g->nworkers))
			add(in, before->seats[i].store);
}

void
inherit_fini(struct inheritance *in)
{
	fd_close(&in->writer);
	free(in->known);
}

void
inherit_ready(struct child *c)
{
	struct seat *seat = &c->generation->seats[c->worker];

	if (seat->child != c || c->store < 0)
		return;
	fd_close(&seat->store);
	seat->store = c->store;
	c->store = -1;
}

void
inherit_drop(struct generation *g)
{
	size_t i;

	for (i = 0; g->seats != NULL && i < g->nworkers; i++)
		fd_close(&g->seats[i].store);
}
