/*
 * Sockets of listeners that were removed, kept for the workers that have yet to
 * accept what is queued there. A worker that dies before it has done so leaves
 * them to an heir.
 */
#ifndef MASTER_KEEP_H
#define MASTER_KEEP_H

#include <stdint.h>

struct child;
struct crew;
struct master;

/*
 * Takes, for each worker of the crew, its sockets of those listeners out
 * of the set; see listener_gone(). To be called when the crew is about to
 * be told to drain.
 */
void keep_listeners(struct master *, struct crew *, uint64_t gone);

/* The crew was told to drain: a seat that is vacant gets an heir. */
void keep_fill(struct master *, struct crew *, int64_t now);

/* The worker has accepted all that was queued: closes what was kept for it,
 * which it may do as well now. */
void keep_emptied(struct master *, struct child *);

/* The worker is gone: what was kept for it goes to an heir. */
void keep_inherit(struct master *, struct child *, int64_t now);

/* Closes what is kept for too long; returns when that is. */
int64_t keep_tick(struct master *, struct child *, int64_t now);

/* Closes all that is kept. */
void keep_nothing(struct master *);

#endif
