/* Workers that are taken on: a generation gets its crew, a seat its worker. */
#ifndef MASTER_RECRUIT_H
#define MASTER_RECRUIT_H

#include <stdint.h>

struct child;
struct crew;
struct generation;
struct kept;
struct master;

/*
 * Makes the crew that is to serve the generation: from then on it has the
 * generation and its logs. 0 with *crew owned by the caller; or -ENOMEM, and
 * the generation is still the caller's.
 */
int recruit_crew(
    struct master *, struct generation *, unsigned number, struct crew **crew);

/*
 * Starts worker number `worker` of the crew, whose generation must be there; it
 * has ten seconds to become ready. 0, or -errno with *step set to what failed.
 */
int recruit_worker(struct master *, struct crew *, unsigned worker, int64_t now,
    const char **step);

/* The same for one that is to serve what waits on the sockets that are kept for
 * it, and nothing else; see keep.h. */
int recruit_heir(struct master *, struct crew *, unsigned worker,
    const struct kept *, int64_t now, struct child **child, const char **step);

#endif
