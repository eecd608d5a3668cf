/* The workers, one by one: how one is started, and how it is killed. */
#ifndef MASTER_CREW_H
#define MASTER_CREW_H

#include <stdint.h>

struct child;
struct generation;
struct kept;
struct master;

/*
 * Starts worker number `worker` of the generation; it has ten seconds to
 * become ready. 0, or -errno with *step set to what failed.
 */
int crew_start(struct master *, struct generation *, unsigned worker,
    int64_t now, const char **step);

/* The same for one that is to serve what waits on the sockets that are kept for
 * it, and nothing else; see keep.h. */
int crew_start_heir(struct master *, struct generation *, unsigned worker,
    const struct kept *, int64_t now, struct child **child, const char **step);

/* Kills a child and logs why; the text is static. */
void crew_kill(struct master *, struct child *, const char *why);

#endif
