/*
 * What the clients do when they are told to, one work at a time. Each says
 * "ready" when it is prepared, begins with work_go(), says "done", what it took
 * and how many failed, and is taken down by work_end(), which says "ended".
 */
#ifndef BENCH_LOAD_WORK_H
#define BENCH_LOAD_WORK_H

#include <stdint.h>

#include "t/bench/load/client.h"

#define WORK_PARALLEL_MAX 4096

struct work {
	const char *kind;
	struct server *server;
	uint64_t count;	   /* units in all: connections, messages, bytes */
	uint64_t parallel; /* clients at once */
	uint64_t rate;	   /* of an open loop: arrivals a second */
};

/*
 * Closed loops: a client does the next thing when its last one is done.
 *
 *	full, resumed	whole connections, with one message there and back
 *	ping		messages on connections that are there
 *	down, up	bytes on connections that are there
 *	refused		connections that the proxy ends after the ClientHello
 *
 * False: there is no such kind.
 */
bool closed_prepare(const struct work *);
void closed_go(void);
void closed_end(void);

/*
 * Open loops: what begins at a moment does so whatever became of what began
 * before. The moments are random, and the same in each run. "done" is followed
 * by how many there were, how many failed, then by the percentiles 50, 99 and
 * 99.9 and the longest, in nanoseconds from the moment to the first byte of the
 * answer. Kinds are full and ping.
 */
bool open_prepare(const struct work *);

/* So long is waited for what is late after the last has begun; 5 s unless it is
 * said. */
void open_patience(unsigned seconds);
void open_go(void);
void open_end(void);

/*
 * Connections that stay in one state, until they are dropped:
 *
 *	silent		no byte was sent
 *	half		half a ClientHello was
 *	stopped		a whole one was, and the answer came
 *	idle		a tunnel, over which one message went there and back
 *	stalled		a tunnel whose client takes nothing of what comes
 *
 * Says "held" and how many there are when there are so many more of them.
 */
bool hold(const struct work *);

/* Ends that share of them, in percent, evenly spread, and says "dropped". */
void hold_drop(unsigned percent);

/*
 * For as long as it goes on: new connections at a rate, with one message each;
 * transfers of 5 to 40 seconds, whose bytes come back and are compared; idle
 * ones that stand until the end, and work then. Each offers the session of an
 * earlier one that is younger than the lifetime (in seconds), if its place has
 * one. What ends is begun anew. Lines meanwhile, of a kind ("new", "transfer",
 * "idle") and its address:
 *
 *	broken KIND ADDRESS TIME PHASE	did not end as it should
 *	unresumed KIND ADDRESS TIME	its session was not resumed
 *	corrupt KIND ADDRESS TIME	other bytes came back
 *
 * life_rest() lets all of them end; "ended" is followed by how many were
 * opened, ended well and were broken, how many offered a session and resumed
 * it, how many sessions could not be offered, how many transfers were whole,
 * their bytes, and the longest that a new one waited for its answer, in ms.
 */
struct life_work {
	struct server *server;
	uint64_t rate;		  /* new ones a second */
	unsigned transfers, idle; /* at once */
	uint64_t lifetime;
};

void life_go(const struct life_work *);
void life_rest(void);

#endif
