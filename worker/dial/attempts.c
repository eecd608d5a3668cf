/* Asks the guard about each address, and connects to the very one that was
 * checked, a few at a time (RFC 8305 section 5). */
#include "worker/dial/attempts.h"

#include <errno.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/log/facts.h"
#include "common/policy/verdict.h"
#include "worker/loop/loop.h"

/* RFC 8305 section 5, the recommended value. */
#define DELAY (250 * CLOCK_MSEC)

/*
 * So many are open at once at most. The oldest has had its fair time by then:
 * for its SYN, the one that the kernel sends again after a second (RFC 6298),
 * and the delay that an answer to this is given as well.
 */
#define AT_ONCE	  5
#define FAIR_TIME (AT_ONCE * DELAY)

void
attempts_init(struct attempts *all, const struct attempts_way *way)
{
	memset(all, 0, offsetof(struct attempts, racers));
	all->way = *way;
}

/* So many are under way from now on. */
static void
set_pending(struct attempts *all, unsigned pending)
{
	struct races *races = &all->way.context->races;
	unsigned had = all->pending > 0 ? all->pending - 1 : 0;
	unsigned has = pending > 0 ? pending - 1 : 0;

	if (has > had)
		races_take(races, all->way.client, has - had);
	else
		races_give(races, all->way.client, had - has);
	all->pending = pending;
}

void
attempts_stop(struct attempts *all, const struct racer *winner)
{
	unsigned i;

	for (i = 0; i < all->nracers; i++)
		if (&all->racers[i] != winner)
			attempt_close(&all->racers[i].attempt);
	set_pending(all, 0);
}

static void
note(const struct attempts *all, size_t place, const struct addr *addr,
    enum reason reason)
{
	const struct facts_try try = { .addr = *addr, .reason = reason };

	all->way.try_cb(all->way.arg, place, &try);
}

static void
note_racer(const struct racer *racer, enum reason reason)
{
	note(racer->attempts, racer->place, &racer->attempt.addr, reason);
}

/*
 * Notes an address and returns its place. The last place is shared by all that
 * come when the others are taken: the latest says more than the one before it.
 */
static size_t
note_new(struct attempts *all, const struct addr *addr, enum reason reason)
{
	if (all->ntried < FACTS_TRIED_MAX)
		all->ntried++;
	note(all, all->ntried - 1, addr, reason);
	return (all->ntried - 1);
}

/* An address that the guard refuses: notes what is to be told of it. A failed
 * connection says more. */
static void
refused(struct attempts *all, enum reason reason, const char *why)
{
	if (all->reason != REASON_NONE && reason != REASON_OWN_LISTENER)
		return;
	all->reason = reason;
	all->detail = why;
}

static void
failed(struct racer *racer)
{
	const struct attempt *a = &racer->attempt;
	struct attempts *all = racer->attempts;
	enum reason reason = attempt_reason(a);

	note_racer(racer, reason);
	/* That the egress line is not for this family says less than anything
	 * else that has happened. */
	if (!a->egress_failed || a->error != EAFNOSUPPORT ||
	    all->reason == REASON_NONE) {
		all->reason = reason;
		all->detail = strerrordesc_np(a->error);
	}
	/* RFC 8305 section 5: the next one need not wait. */
	all->next = 0;
}

/* Does the connection lead elsewhere than to this host? If not, notes why. */
static bool
leads_out(struct racer *racer)
{
	const struct attempt *a = &racer->attempt;
	struct attempts *all = racer->attempts;
	const char *why = NULL;
	enum reason reason = verdict_connected(
	    all->way.context->guard, all->way.rule, &a->addr, &a->local, &why);

	if (reason == REASON_NONE)
		return (true);
	note_racer(racer, reason);
	refused(all, reason, why);
	all->next = 0;
	return (false);
}

static void
ended_cb(struct attempt *a)
{
	struct racer *racer = container_of(a, struct racer, attempt);
	struct attempts *all = racer->attempts;

	if (attempt_was_connected(a) || (a->error == 0 && leads_out(racer))) {
		note_racer(racer, REASON_NONE);
		all->way.cb(all, racer);
		return;
	}
	if (a->error != 0)
		failed(racer);
	attempt_close(a);
	set_pending(all, all->pending - 1);
	all->way.cb(all, NULL);
}

/* Is it permitted? If not, notes why. */
static bool
permitted(struct attempts *all, const struct addr *addr)
{
	struct dial_context *context = all->way.context;
	const char *why = NULL;
	enum reason reason = verdict_dial(
	    context->guard, &context->probe, all->way.rule, addr, &why);

	if (reason == REASON_NONE)
		return (true);
	if (all->nracers == 0 || all->ntried < FACTS_TRIED_MAX)
		(void)note_new(all, addr, reason);
	refused(all, reason, why);
	return (false);
}

/* May one more be under way? */
static bool
may_race(const struct attempts *all)
{
	return (all->pending == 0 ||
		(all->pending < AT_ONCE &&
		    races_room(&all->way.context->races, all->way.client)));
}

/* Which of those that are under way is the oldest; there is one. */
static unsigned
oldest(const struct attempts *all)
{
	unsigned i = 0;

	while (!attempt_open(&all->racers[i].attempt))
		i++;
	return (i);
}

static void
give_up(struct racer *racer)
{
	note_racer(racer, REASON_CONNECT_TIMEOUT);
	attempt_close(&racer->attempt);
	set_pending(racer->attempts, racer->attempts->pending - 1);
}

int64_t
attempts_next_at(const struct attempts *all)
{
	int64_t fair;

	if (all->pending == 0)
		return (0);
	if (may_race(all))
		return (all->next);
	fair = all->racers[oldest(all)].started + FAIR_TIME;
	return (fair > all->next ? fair : all->next);
}

void
attempts_try(struct attempts *all, const struct addr *addr)
{
	struct dial_context *context = all->way.context;
	const struct attempt_way way = { context->loop,
		all->way.rule->egress_line, &context->lines, &context->random,
		&context->probe };
	struct racer *racer;

	if (!permitted(all, addr))
		return;
	if (!may_race(all))
		give_up(&all->racers[oldest(all)]);
	racer = &all->racers[all->nracers++];
	racer->attempts = all;
	racer->place = note_new(all, addr, REASON_NONE);
	racer->started = loop_now(context->loop);
	all->next = racer->started + DELAY;
	if (attempt_start(&racer->attempt, &way, addr, ended_cb) != 0)
		failed(racer);
	else
		set_pending(all, all->pending + 1);
}

void
attempts_time_out(struct attempts *all)
{
	unsigned i;

	for (i = 0; i < all->nracers; i++)
		if (attempt_open(&all->racers[i].attempt))
			note_racer(&all->racers[i], REASON_CONNECT_TIMEOUT);
}
