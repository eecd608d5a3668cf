/* Listening sockets that outlive the process: taken up again, and kept. */
#include <errno.h>

#include "common/base/clock.h"
#include "common/log/log.h"
#include "master/fdstore.h"
#include "master/listener.h"

/* When the manager was busy. */
#define RETRY (100 * CLOCK_MSEC)

int
listener_adopt(struct listener_set *set, const struct listener_at *at,
    unsigned serial, const int *fds, size_t n)
{
	struct group *g;
	int error;

	if (listener_find(set, at) != NULL)
		return (-EEXIST);
	g = group_new(at);
	if (g == NULL)
		return (-ENOMEM);
	error = group_adopt(g, fds, n, serial == 0);
	if (error != 0) {
		group_free(g);
		return (error);
	}
	/* What the manager keeps of itself needs no store. */
	g->store = serial > 0 ? set->store : NULL;
	g->serial = serial;
	if (serial > set->last_serial)
		set->last_serial = serial;
	TAILQ_INSERT_TAIL(&set->groups, g, entry);
	return (0);
}

/* Those that are to be kept: of the workers that serve. */
static size_t
count(const struct listener_set *set)
{
	const struct group *g;
	size_t n = 0;

	TAILQ_FOREACH (g, &set->groups, entry) {
		if (g->store != NULL && g->live > 0)
			n += g->before;
	}
	return (n);
}

/* A part of them would be of no use: the kernel deals connections out to all,
 * and those that are gone would have taken theirs along. */
static void
keep_none(struct listener_set *set, struct log *log, size_t n)
{
	struct group *g;

	TAILQ_FOREACH (g, &set->groups, entry)
		group_unstore(g);
	/* One that keeps nothing was not asked for it. */
	if (!set->too_many && set->store->max > 0)
		log_write(log, LOG_LEVEL_WARNING,
		    "listeners: not kept for a restart: they have more sockets "
		    "(%zu) than the service manager keeps (%zu, "
		    "FileDescriptorStoreMax=)",
		    n, set->store->max);
	set->too_many = true;
}

int64_t
listener_store(struct listener_set *set, struct log *log, int64_t now)
{
	struct group *g;
	int error = 0;
	size_t n;

	if (set->store == NULL)
		return (CLOCK_NEVER);
	n = count(set);
	if (n > set->store->max) {
		keep_none(set, log, n);
	} else {
		set->too_many = false;
		TAILQ_FOREACH (g, &set->groups, entry) {
			if (error == 0 && g->store != NULL && g->live > 0)
				error = group_store(g);
		}
	}
	if (error == 0)
		error = fdstore_flush(set->store);
	return (error != 0 ? now + RETRY : CLOCK_NEVER);
}

bool
listener_is_kept(const struct listener_set *set)
{
	const struct group *g;
	size_t n = 0;

	if (set->store == NULL || set->store->max == 0 || set->too_many)
		return (false);
	TAILQ_FOREACH (g, &set->groups, entry)
		n += g->store != NULL ? g->nfds : 0;
	return (n <= set->store->max);
}
