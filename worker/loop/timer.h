/*
 * Timers in an intrusive pairing heap: arming never allocates, so it cannot
 * fail, and a tunnel that moves bytes need not touch its timer (it looks at
 * its own clock when the timer fires and arms it anew).
 */
#ifndef WORKER_LOOP_TIMER_H
#define WORKER_LOOP_TIMER_H

#include <stdbool.h>
#include <stdint.h>

struct timer {
	int64_t when; /* clock_now() time */
	void (*cb)(struct timer *);
	struct timer *child, *next, *prev; /* prev: parent or elder sibling */
	bool armed;
};

struct timers {
	struct timer *root;
};

/* A zeroed struct with cb set is a valid, unarmed timer. */
void timer_init(struct timer *, void (*cb)(struct timer *));

/* Arms, or moves an armed timer. The caller keeps the memory alive. */
void timer_arm(struct timers *, struct timer *, int64_t when);

/* No-op where it is not armed. */
void timer_cancel(struct timers *, struct timer *);

/* When the first timer is due; CLOCK_NEVER: none is armed. */
int64_t timer_next(const struct timers *);

/* Runs the callbacks of those that are due, the earliest first, unarmed
 * beforehand, but no more than max. A callback may arm and cancel any timer. */
void timer_run(struct timers *, int64_t now, unsigned max);

#endif
