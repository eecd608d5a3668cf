/* Hands the stores of former workers to new ones. */
#include "master/inherit.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/fd.h"
#include "common/log/log.h"
#include "common/shm/store.h"
#include "master/crew.h"

static void
make_store(struct inheritance *in, struct child *c, size_t size)
{
	const struct crew *crew = c->crew;
	int error;

	if (size == 0)
		return;
	error = store_new("sniport-store", size, &in->writer, &c->store);
	if (error != 0)
		log_write(crew->log, LOG_LEVEL_WARNING,
		    "worker %u: what it knows of names cannot be kept for "
		    "later workers: %s",
		    c->worker, strerrordesc_np(-error));
}

/*
 * All that was left is shared out, and each worker has as much as the rest. To
 * give all of it to each would have one that was broken into answer for the
 * clients of all others.
 */
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
inherit_init(struct inheritance *in, struct child *c, const struct crew *before,
    size_t size)
{
	const struct crew *crew = c->crew;
	int own = crew->seats[c->worker].store;
	size_t i, n = before != NULL ? before->nworkers : 0;

	*in = (struct inheritance){ .writer = -1 };
	make_store(in, c, size);
	in->known = calloc(n + 1, sizeof(*in->known));
	if (in->known == NULL)
		return;
	add(in, own);
	if (own >= 0 || before == crew)
		return;
	for (i = 0; i < n; i++)
		if (is_share(i, n, c->worker, crew->nworkers))
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
	struct seat *seat = &c->crew->seats[c->worker];

	if (seat->child != c || c->store < 0)
		return;
	fd_close(&seat->store);
	seat->store = c->store;
	c->store = -1;
}

void
inherit_drop(struct crew *crew)
{
	size_t i;

	for (i = 0; crew->seats != NULL && i < crew->nworkers; i++)
		fd_close(&crew->seats[i].store);
}
