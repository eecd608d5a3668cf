/* The workers' keeper: hears, reaps and replaces them. */
#ifndef MASTER_SUPERVISE_H
#define MASTER_SUPERVISE_H

#include <stdbool.h>
#include <stdint.h>

struct child;
struct master;

/* The child's control socket has something to say. */
void supervise_receive(struct master *, struct child *, int64_t now);

/* Takes note of all children that have exited. */
void supervise_reap(struct master *, int64_t now);

/* Kills workers that stand still or have outlived a deadline, and fills seats
 * that are due. Returns when it must be called again. */
int64_t supervise_tick(struct master *, int64_t now);

/* Is there no worker that stands still and cannot even be killed? */
bool supervise_healthy(const struct master *, int64_t now);

#endif
