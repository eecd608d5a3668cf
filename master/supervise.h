/* The workers' keeper: starts, watches, orders, reaps and replaces them. */
#ifndef MASTER_SUPERVISE_H
#define MASTER_SUPERVISE_H

#include <stdbool.h>
#include <stdint.h>

struct child;
struct generation;
struct kept;
struct master;

/*
 * Starts worker number `worker` of the generation; it has ten seconds to
 * become ready. 0, or -errno with *step set to what failed.
 */
int supervise_start(struct master *, struct generation *, unsigned worker,
    int64_t now, const char **step);

/* The same for one that is to serve what waits on the sockets that are kept for
 * it, and nothing else; see keep.h. */
int supervise_start_heir(struct master *, struct generation *, unsigned worker,
    const struct kept *, int64_t now, struct child **child, const char **step);

/* The child's control socket has something to say. */
void supervise_receive(struct master *, struct child *, int64_t now);

/* Kills a child, of which the log tells why (static). */
void supervise_kill(struct master *, struct child *, const char *why);

/* Takes note of all children that have exited. */
void supervise_reap(struct master *, int64_t now);

/* Kills who outlived a deadline or stands still, fills seats that are due.
 * Returns when it must be called again. */
int64_t supervise_tick(struct master *, int64_t now);

/* Is there no worker that stands still and cannot even be killed? */
bool supervise_healthy(const struct master *, int64_t now);

#endif
