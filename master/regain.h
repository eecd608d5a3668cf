/*
 * Connections that a worker was handed and has not taken: because it died, or
 * because it takes nothing, for want of descriptors or by ill will. They go to
 * others, or are reset with an audit line; none is served twice, and none is
 * lost without a word.
 */
#ifndef MASTER_REGAIN_H
#define MASTER_REGAIN_H

#include <stdint.h>

struct child;
struct crew;
struct hand_connection;
struct master;

struct regain {
	int spare[3]; /* descriptors, for taking back; -1: not to be had */
};

void regain_init(struct regain *);
void regain_fini(struct regain *);

/* The child is gone: what it has not taken is for others, of the current crew
 * if that has the listener too. What nobody can serve is reset. */
void regain_inherit(struct master *, struct child *);

/* The crew, or all of sniport, is over: the same for what none of its workers
 * was there to take. */
void regain_drop(struct master *, struct crew *);

/* The same for a worker of the current crew that lives and has taken nothing
 * for timeouts.watchdog, if another could. */
void regain_tick(struct master *, struct child *, int64_t now);

/* A connection to that worker of the crew was reset: writes its audit line. */
void regain_lose(struct master *, struct crew *, unsigned worker,
    const struct hand_connection *);

#endif
