/*
 * What a worker leaves to those after it: its replacement, and the workers of
 * the next crew. The master hands it on and never looks inside.
 */
#ifndef MASTER_INHERIT_H
#define MASTER_INHERIT_H

#include <stddef.h>

struct child;
struct crew;

/* Descriptors for a new worker. */
struct inheritance {
	int writer; /* of its own store; -1: none */
	int *known; /* owned; those of former workers, borrowed */
	size_t nknown;
};

/*
 * Makes the child's store, of that size, and finds what it begins with: what
 * the last worker of its seat has left, or, in a new crew, its share of what
 * the workers of `before` (may be NULL) have. Without memory or descriptors
 * there is less of it. To be freed by inherit_fini().
 */
void inherit_init(struct inheritance *, struct child *,
    const struct crew *before, size_t size);

/* Closes what is for the worker alone. */
void inherit_fini(struct inheritance *);

/* The child is ready: it knows what was left to it, and leaves it to others. */
void inherit_ready(struct child *);

/* No worker will begin with what these seats have. */
void inherit_drop(struct crew *);

#endif
