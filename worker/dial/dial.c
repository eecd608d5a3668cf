/*
 * The way to an upstream (RFC 8305): takes the addresses of a target as they
 * come, has each tried in its turn, and tells what became of it in time.
 */
#include "worker/dial/dial.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/policy/verdict.h"
#include "worker/dial/attempts.h"
#include "worker/dial/candidates.h"
#include "worker/loop/loop.h"

/* RFC 8305 section 3, the recommended value. */
#define RESOLUTION_DELAY (50 * CLOCK_MSEC)

struct dial {
	struct dial_context *context;
	dial_cb *cb;
	void *arg;
	struct loop_task task;
	struct timer timer;
	struct loop_garbage garbage;
	bool starting; /* more answers may come at once */
	int64_t started, resolved, connected; /* 0: not yet */
	int64_t deadline, resolution_end;
	/* What follows is much, and has no values before it is used. */
	struct candidates candidates;
	struct attempts attempts;
};

static void advance(struct dial *);

/* Ends what is under way; winner (may be NULL) stays in the loop. */
static void
stop(struct dial *d, const struct racer *winner)
{
	timer_cancel(loop_timers(d->context->loop), &d->timer);
	loop_undefer(d->context->loop, &d->task);
	candidates_cancel(&d->candidates);
	attempts_stop(&d->attempts, winner);
}

static void
report(const struct dial *d, struct dial_report *r)
{
	*r = (struct dial_report){
		.reason = d->attempts.reason,
		.detail = d->attempts.detail,
		.dns_ns = d->resolved != 0 ? d->resolved - d->started : -1,
		.connect_ns =
		    d->connected != 0 ? d->connected - d->resolved : -1,
	};
}

static void
failed(struct dial *d, enum reason reason)
{
	struct dial_report r;

	stop(d, NULL);
	d->attempts.reason = reason;
	if (d->attempts.detail == NULL)
		d->attempts.detail = candidates_detail(&d->candidates, reason);
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
	d->attempts.reason = REASON_NONE;
	d->attempts.detail = NULL;
	report(d, &r);
	r.upstream = a->addr;
	r.egress = a->local;
	r.error = attempt_was_connected(a) ? -ECONNRESET : 0;
	r.events = a->events;
	d->cb(d->arg, &r, &a->lfd);
}

static void
ended_cb(struct attempts *attempts, struct racer *winner)
{
	struct dial *d = container_of(attempts, struct dial, attempts);

	if (winner != NULL)
		succeeded(d, winner);
	else
		advance(d);
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
	if (!candidates_preferred_awaited(&d->candidates) ||
	    d->attempts.nracers > 0)
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
	while ((next = attempts_next_at(&d->attempts)) <= now) {
		addr = candidates_next(&d->candidates);
		if (addr == NULL)
			break;
		attempts_try(&d->attempts, addr);
	}
	if (d->attempts.pending == 0 && !candidates_awaited(&d->candidates))
		return (false);
	wait_until(d, now >= next ? CLOCK_NEVER : next);
	return (true);
}

static void
advance(struct dial *d)
{
	if (!go_on(d))
		failed(d, candidates_any(&d->candidates)
			      ? d->attempts.reason
			      : candidates_reason(&d->candidates));
}

static void
timer_cb(struct timer *t)
{
	struct dial *d = container_of(t, struct dial, timer);
	struct attempts *a = &d->attempts;

	if (loop_now(d->context->loop) < d->deadline) {
		advance(d);
	} else if (a->pending == 0 && a->ntried > 0) {
		/* The other family's answer would have been the last hope. */
		failed(d, a->reason);
	} else {
		attempts_time_out(a);
		a->detail = NULL;
		failed(d, a->pending > 0 ? REASON_CONNECT_TIMEOUT
					 : REASON_DNS_TIMEOUT);
	}
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
	const struct attempts_way way = { .context = context,
		.rule = request->rule,
		.client = request->client,
		.cb = ended_cb,
		.try_cb = request->try_cb,
		.arg = request->arg };
	const struct addr *addr =
	    verdict_address(request->rule, request->target);
	struct dial *d = malloc(sizeof(*d));

	if (d == NULL)
		return (-ENOMEM);
	memset(d, 0, offsetof(struct dial, candidates));
	attempts_init(&d->attempts, &way);
	d->context = context;
	d->cb = request->cb;
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
