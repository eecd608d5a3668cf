/* From one process to two: what a worker inherits and what it must not. */
#ifndef MASTER_SPAWN_H
#define MASTER_SPAWN_H

#include <stdint.h>

#include "master/generation.h"

struct listener_set;
struct shm;

/* What a worker is made from, beside its generation. */
struct spawn_from {
	struct listener_set *listeners;
	struct shm *shm;
	struct generation_list *generations; /* all there are */
	const struct kept *kept; /* for an heir: all sockets; NULL: as usual */
	/* Whose workers leave what they know to a new generation's; NULL:
	 * there is none. */
	const struct generation *before;
};

/*
 * Forks worker number `worker` of the generation and seats it. 0 with *child
 * in the generation's list, or -errno with *step set to what failed. In the
 * child it does not return.
 */
int spawn_worker(struct generation *, unsigned worker,
    const struct spawn_from *, int64_t now, struct child **child,
    const char **step);

/* The child is gone: the next worker of its seat is to number its tunnels
 * behind those of this one. */
void spawn_note_numbers(struct child *, const struct shm *);

/* A child that was reaped: returns its slot, closes what is left, frees it. */
void spawn_forget(struct child *, struct shm *);

#endif
