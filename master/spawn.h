/* From one process to two: what a worker inherits and what it must not. */
#ifndef MASTER_SPAWN_H
#define MASTER_SPAWN_H

#include <stdint.h>

#include "master/crew.h"

struct listener_set;
struct shm;

/* What a worker is made from, beside its crew. */
struct spawn_from {
	struct listener_set *listeners;
	struct shm *shm;
	struct crew_list *crews; /* all there are */
	const struct kept *kept; /* for an heir: all sockets; NULL: as usual */
	/* Whose workers leave what they know to those of a new one; NULL: there
	 * is none. */
	const struct crew *before;
};

/*
 * Forks worker number `worker` of the crew, whose generation must be there, and
 * seats it. 0 with *child in the crew's list, or -errno with *step set to what
 * failed. In the child it does not return.
 */
int spawn_worker(struct crew *, unsigned worker, const struct spawn_from *,
    int64_t now, struct child **child, const char **step);

#endif
