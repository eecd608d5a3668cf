/*
 * The attempts of one dial: when the next address may be tried, which are under
 * way, and why the others have failed.
 */
#ifndef WORKER_DIAL_ATTEMPTS_H
#define WORKER_DIAL_ATTEMPTS_H

#include <stddef.h>
#include <stdint.h>

#include "common/reason.h"
#include "worker/dial/attempt.h"
#include "worker/dial/candidates.h"
#include "worker/dial/context.h"

struct attempts;
struct rule;

struct racer {
	struct attempt attempt;
	struct attempts *attempts;
	size_t place; /* see dial_try_cb */
	int64_t started;
};

/* One has ended. winner: it is connected, and still in the loop; NULL: it has
 * failed, and is closed. Never called from within attempts_try(). */
typedef void attempts_cb(struct attempts *, struct racer *winner);

/* For whom they are, and who is told of them. */
struct attempts_way {
	struct dial_context *context;
	const struct rule *rule;
	uint64_t client; /* a hash, on which races are counted */
	attempts_cb *cb;
	dial_try_cb *try_cb;
	void *arg; /* of try_cb */
};

struct attempts {
	struct attempts_way way;
	unsigned nracers;
	unsigned pending;   /* under way; all but one of the races */
	size_t ntried;	    /* places that are taken */
	enum reason reason; /* of the last failure that says most; or NONE */
	const char *detail; /* ... borrowed, may be NULL */
	int64_t next;	    /* when the next one may be tried beside them */
	/* What follows is much, and has no values before it is used. */
	struct racer racers[CANDIDATES_MAX]; /* nracers */
};

void attempts_init(struct attempts *, const struct attempts_way *);

/* When the next address may be tried, beside those under way or in the place of
 * the oldest. */
int64_t attempts_next_at(const struct attempts *);

/* Tries an address, if the guard permits it; of those that are handed in there
 * are CANDIDATES_MAX at most. */
void attempts_try(struct attempts *, const struct addr *);

/* The time is over: notes that of those under way. */
void attempts_time_out(struct attempts *);

/* Closes those under way but the winner, which may be NULL. */
void attempts_stop(struct attempts *, const struct racer *winner);

#endif
