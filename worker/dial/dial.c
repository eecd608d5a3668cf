/*
 * The race for a target's addresses (RFC 8305): asks the guard about each, and
 * connects to the very address that was checked.
 */
#include "worker/dial/dial.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/policy/verdict.h"
#include "worker/dial/attempt.h"
#include "worker/dial/candidates.h"
#include "worker/loop/loop.h"

/* RFC 8305 sections 3 and 5, the recommended values. */
#define RESOLUTION_DELAY (50 * CLOCK_MSEC)
#define ATTEMPT_DELAY	 (250 * CLOCK_MSEC)

/*
 * So many attempts are open at once at most. The oldest has had its fair time
 * by then: for its SYN, the one that the kernel sends again after a second (RFC
 * 6298), and the delay that an answer to this is given as well.
 */
#define AT_ONCE	  5
#define FAIR_TIME (AT_ONCE * ATTEMPT_DELAY)

struct racer {
	struct attempt attempt;
	struct dial *dial;
	size_t place; /* see dial_try_cb */
	int64_t started;
};

struct dial {
	struct dial_context *context;
	const struct rule *rule;
	uint64_t client;
	dial_cb *cb;
	dial_try_cb *try_cb;
	void *arg;
	struct loop_task task;
	struct timer timer;
	struct loop_garbage garbage;
	unsigned nracers;
	unsigned pending;   /* attempts under way; all but one of the races */
	bool starting;	    /* more answers may come at once */
	size_t ntried;	    /* places that are taken */
	enum reason reason; /* of the last failure */
	const char *detail;
	int64_t started, resolved, connected; /* 0: not yet */
	int64_t deadline, next_attempt, resolution_end;
	/* What follows is much, and has no values before it is used. */
	struct candidates candidates;
	struct racer racers[CANDIDATES_MAX]; /* nracers */
};

static void advance(struct dial *);

/* So many attempts are under way from now on. */
static void
set_pending(struct dial *d, unsigned pending)
{
	unsigned had = d->pending > 0 ? d->pending - 1 : 0;
	unsigned has = pending > 0 ? pending - 1 : 0;

	if (has > had)
		races_take(&d->context->races, d->client, has - had);
	else
		races_give(&d->context->races, d->client, had - has);
	d->pending = pending;
}

/* Ends what is under way; winner (may be NULL) stays in the loop. */
static void
stop(struct dial *d, const struct racer *winner)
{
	size_t i;

	timer_cancel(loop_timers(d->context->loop), &d->timer);
	loop_undefer(d->context->loop, &d->task);
	candidates_cancel(&d->candidates);
	for (i = 0; i < d->nracers; i++)
		if (&d->racers[i] != winner)
			attempt_close(&d->racers[i].attempt);
	set_pending(d, 0);
}

static void
report(const struct dial *d, struct dial_report *r)
{
	*r = (struct dial_report){
		.reason = d->reason,
		.detail = d->detail,
		.dns_ns = d->resolved != 0 ? d->resolved - d->started : -1,
		.connect_ns =
		    d->connected != 0 ? d->connected - d->resolved : -1,
	};
}

static void
note(const struct dial *d, size_t place, const struct addr *addr,
    enum reason reason)
{
	const struct facts_try try = { .addr = *addr, .reason = reason };

	d->try_cb(d->arg, place, &try);
}

static void
failed(struct dial *d, enum reason reason)
{
	struct dial_report r;

	stop(d, NULL);
	d->reason = reason;
	if (d->detail == NULL)
		d->detail = candidates_detail(&d->candidates, reason);
	report(d, &r);
	d->cb(d->arg, &r, NULL);
}

static void
succeeded(struct dial *d, struct racer *racer)
{
	struct attempt *a = &racer->attempt;
	struct dial_report r;

	stop(d, racer);
	d->connected = loop_now(d->context->loop);
	d->reason = REASON_NONE;
	d->detail = NULL;
	note(d, racer->place, &a->addr, REASON_NONE);
	report(d, &r);
	r.upstream = a->addr;
	r.egress = a->local;
	r.error = attempt_was_connected(a) ? -ECONNRESET : 0;
	r.events = a->events;
	d->cb(d->arg, &r, &a->lfd);
}

/*
 * Notes an address and returns its place. The last place is shared by all that
 * come when the others are taken: the latest says more than the one before it.
 */
static size_t
note_new(struct dial *d, const struct addr *addr, enum reason reason)
{
	if (d->ntried < FACTS_TRIED_MAX)
		d->ntried++;
	note(d, d->ntried - 1, addr, reason);
	return (d->ntried - 1);
}

/* An address that the guard refuses: notes what is to be told of it. A failed
 * connection says more. */
static void
refused(struct dial *d, enum reason reason, const char *why)
{
	if (d->reason != REASON_NONE && reason != REASON_OWN_LISTENER)
		return;
	d->reason = reason;
	d->detail = why;
}

static void
attempt_failed(struct racer *racer)
{
	const struct attempt *a = &racer->attempt;
	enum reason reason = attempt_reason(a);
	struct dial *d = racer->dial;

	note(d, racer->place, &a->addr, reason);
	/* That the egress line is not for this family says less than anything
	 * else that has happened. */
	if (!a->egress_failed || a->error != EAFNOSUPPORT ||
	    d->reason == REASON_NONE) {
		d->reason = reason;
		d->detail = strerrordesc_np(a->error);
	}
	/* RFC 8305 section 5: the next one need not wait. */
	d->next_attempt = 0;
}

/* Does the connection lead elsewhere than to this host? If not, notes why. */
static bool
leads_out(struct racer *racer)
{
	const struct attempt *a = &racer->attempt;
	struct dial *d = racer->dial;
	const char *why = NULL;
	enum reason reason = verdict_connected(
	    d->context->guard, d->rule, &a->addr, &a->local, &why);

	if (reason == REASON_NONE)
		return (true);
	note(d, racer->place, &a->addr, reason);
	refused(d, reason, why);
	d->next_attempt = 0;
	return (false);
}

static void
ended_cb(struct attempt *a)
{
	struct racer *racer = container_of(a, struct racer, attempt);
	struct dial *d = racer->dial;

	if (attempt_was_connected(a) || (a->error == 0 && leads_out(racer))) {
		succeeded(d, racer);
		return;
	}
	if (a->error != 0)
		attempt_failed(racer);
	attempt_close(a);
	set_pending(d, d->pending - 1);
	advance(d);
}

/* Is it permitted? If not, notes why. */
static bool
permitted(struct dial *d, const struct addr *addr)
{
	const char *why = NULL;
	enum reason reason = verdict_dial(
	    d->context->guard, &d->context->probe, d->rule, addr, &why);

	if (reason == REASON_NONE)
		return (true);
	if (d->nracers == 0 || d->ntried < FACTS_TRIED_MAX)
		(void)note_new(d, addr, reason);
	refused(d, reason, why);
	return (false);
}

/* May one more be under way? */
static bool
may_race(const struct dial *d)
{
	return (
	    d->pending == 0 || (d->pending < AT_ONCE &&
				   races_room(&d->context->races, d->client)));
}

/* Of those that are under way; there is one. */
static struct racer *
oldest(struct dial *d)
{
	struct racer *racer = d->racers;

	while (!attempt_open(&racer->attempt))
		racer++;
	return (racer);
}

static void
give_up(struct racer *racer)
{
	note(racer->dial, racer->place, &racer->attempt.addr,
	    REASON_CONNECT_TIMEOUT);
	attempt_close(&racer->attempt);
	set_pending(racer->dial, racer->dial->pending - 1);
}

/* When the next address may be tried, beside those under way or in the place of
 * the oldest. */
static int64_t
next_at(struct dial *d)
{
	int64_t fair;

	if (d->pending == 0)
		return (0);
	if (may_race(d))
		return (d->next_attempt);
	fair = oldest(d)->started + FAIR_TIME;
	return (fair > d->next_attempt ? fair : d->next_attempt);
}

static void
try(struct dial *d, const struct addr *addr)
{
	const struct attempt_way way = { d->context->loop, d->rule->egress_line,
		&d->context->lines, &d->context->random, &d->context->probe };
	struct racer *racer;

	if (!permitted(d, addr))
		return;
	if (!may_race(d))
		give_up(oldest(d));
	racer = &d->racers[d->nracers++];
	racer->dial = d;
	racer->place = note_new(d, addr, REASON_NONE);
	racer->started = loop_now(d->context->loop);
	d->next_attempt = racer->started + ATTEMPT_DELAY;
	if (attempt_start(&racer->attempt, &way, addr, ended_cb) != 0)
		attempt_failed(racer);
	else
		set_pending(d, d->pending + 1);
}

static void
wait_until(struct dial *d, int64_t when)
{
	timer_arm(loop_timers(d->context->loop), &d->timer,
	    when < d->deadline ? when : d->deadline);
}

/* RFC 8305 section 3: the other family's answer waits a moment for the
 * preferred one's. */
static bool
resolution_delayed(struct dial *d, int64_t now)
{
	if (!candidates_preferred_awaited(&d->candidates) || d->nracers > 0)
		return (false);
	if (d->resolution_end == 0)
		d->resolution_end = now + RESOLUTION_DELAY;
	return (now < d->resolution_end);
}

/* Tries what is to be tried now, then waits for the next event. False: there is
 * none to wait for. */
static bool
go_on(struct dial *d)
{
	int64_t next, now = loop_now(d->context->loop);
	const struct addr *addr;

	if (!candidates_any(&d->candidates))
		return (candidates_awaited(&d->candidates));
	if (resolution_delayed(d, now)) {
		wait_until(d, d->resolution_end);
		return (true);
	}
	while ((next = next_at(d)) <= now) {
		addr = candidates_next(&d->candidates);
		if (addr == NULL)
			break;
		try(d, addr);
	}
	if (d->pending == 0 && !candidates_awaited(&d->candidates))
		return (false);
	wait_until(d, now >= next ? CLOCK_NEVER : next);
	return (true);
}

static void
advance(struct dial *d)
{
	if (!go_on(d))
		failed(d, candidates_any(&d->candidates)
			      ? d->reason
			      : candidates_reason(&d->candidates));
}

static void
timer_cb(struct timer *t)
{
	struct dial *d = container_of(t, struct dial, timer);
	size_t i;

	if (loop_now(d->context->loop) < d->deadline) {
		advance(d);
		return;
	}
	if (d->pending == 0 && d->ntried > 0) {
		/* The other family's answer would have been the last hope. */
		failed(d, d->reason);
		return;
	}
	for (i = 0; i < d->nracers; i++)
		if (attempt_open(&d->racers[i].attempt))
			note(d, d->racers[i].place, &d->racers[i].attempt.addr,
			    REASON_CONNECT_TIMEOUT);
	d->detail = NULL;
	failed(d, d->pending > 0 ? REASON_CONNECT_TIMEOUT : REASON_DNS_TIMEOUT);
}

static void
task_cb(struct loop_task *task)
{
	advance(container_of(task, struct dial, task));
}

static void
answer_cb(struct candidates *c)
{
	struct dial *d = container_of(c, struct dial, candidates);

	if (candidates_any(c) && d->resolved == 0)
		d->resolved = loop_now(d->context->loop);
	if (!d->starting)
		loop_defer(d->context->loop, &d->task);
}

bool
dial_asks(struct dial_context *context, const struct target *target,
    const struct rule *rule)
{
	return (
	    verdict_address(rule, target) == NULL &&
	    candidates_would_ask(context->resolver, context->family, target));
}

int
dial_start(struct dial **out, struct dial_context *context,
    const struct dial_request *request)
{
	struct dial *d = malloc(sizeof(*d));
	const struct addr *addr =
	    verdict_address(request->rule, request->target);

	if (d == NULL)
		return (-ENOMEM);
	memset(d, 0, offsetof(struct dial, candidates));
	d->context = context;
	d->rule = request->rule;
	d->client = request->client;
	d->cb = request->cb;
	d->try_cb = request->try_cb;
	d->arg = request->arg;
	d->task.cb = task_cb;
	d->started = loop_now(context->loop);
	d->deadline = d->started + context->timeout;
	timer_init(&d->timer, timer_cb);
	*out = d;
	wait_until(d, CLOCK_NEVER);
	d->starting = true;
	if (addr == NULL) {
		candidates_ask(&d->candidates, context->resolver,
		    &context->random, context->family, request->target,
		    request->account, answer_cb);
	} else {
		d->resolved = d->started;
		candidates_set(&d->candidates, addr);
	}
	d->starting = false;
	/* What is known already is connected to at once; what cannot be is told
	 * later. */
	if (!go_on(d))
		loop_defer(context->loop, &d->task);
	return (0);
}

void
dial_progress(const struct dial *d, struct dial_report *r)
{
	report(d, r);
}

static void
garbage_free(struct loop_garbage *g)
{
	free(container_of(g, struct dial, garbage));
}

void
dial_free(struct dial *d)
{
	if (d == NULL)
		return;
	stop(d, NULL);
	d->garbage.free = garbage_free;
	loop_free_later(d->context->loop, &d->garbage);
}
