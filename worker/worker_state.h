/*
 * A worker, for the files that tell its life. Each calls only those that are
 * named before it: worker_memory.c (what goes back to the kernel),
 * worker_lines.c (the lines of its logs), worker_control.c (what the master
 * tells it), worker.c (how it is set up, runs and ends).
 */
#ifndef WORKER_WORKER_STATE_H
#define WORKER_WORKER_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/control.h"
#include "common/reason.h"
#include "worker/accept.h"
#include "worker/loop/loop.h"
#include "worker/memory.h"
#include "worker/tunnel/tunnel.h"

struct boot;
struct resolver;
struct stats_slot;
struct table;

/* Messages of the master in a turn; it seldom has two. */
#define WORKER_MESSAGES 16

struct worker {
	const struct boot *boot;
	struct stats_slot *slot;
	struct loop *loop;
	struct resolver *resolver;
	struct table *table;
	struct tunnels tunnels;
	struct accept_to clients; /* these tunnels */
	struct acceptor *acceptor;
	struct loop_fd control;
	struct timer heartbeat, sink_retry, give_back, deadline;
	bool draining, orphaned, hurried;
	int64_t logs_until;	/* when lines that wait are given up */
	enum reason end_reason; /* of those whom the deadline meets */
	/* Of tunnels that an operator closes, as told in this turn. */
	uint64_t closing[WORKER_MESSAGES * CONTROL_NUMBERS_MAX];
	size_t nclosing;
	struct memory memory;
	int64_t trim_at; /* memory is tight: when more may be given back */
	/* Audit lines that are lost, of which the error log and the audit log
	 * do not tell yet, and when they may. */
	uint64_t untold, missing;
	int64_t report_at;
};

/*
 * Gives back to the kernel what a burst took, in pieces. start: before anything
 * else, once; note: to be called each turn; look: at each heartbeat.
 */
void worker_memory_start(struct worker *);
void worker_memory_note(struct worker *);
void worker_memory_look(struct worker *);

/*
 * Writes what both logs take, and reports lines that a stalled reader or a full
 * disk has cost, once a second: to the error log at once, to the audit log when
 * it takes lines again. False: something waits yet.
 */
bool worker_flush(struct worker *);

/*
 * At the end: waits for the logs to take what is left, within the bounds of the
 * stop. What they have not taken then is for the master to tell; where there is
 * none any more, the error log tells it.
 */
void worker_flush_last(struct worker *);

/* Listens to the master from now on. If the master hangs up, the worker drains
 * and answers signals by itself. 0 or -errno. */
int worker_obey(struct worker *);

/* Is it draining, with nothing more to be accepted and no tunnel but those that
 * linger? */
bool worker_is_done(const struct worker *);

#endif
