#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "common/base/clock.h"
#include "common/policy/verdict.h"
#include "worker/dial/state.h"

/* RFC 8305 section 3, the recommended value. */
#define RESOLUTION_DELAY (50 * CLOCK_MSEC)

/* Ends what is under way; winner (may be NULL) stays in the loop. */
static void
stop(struct dial *d, const struct attempt *winner)
{
	size_t i;

	timer_cancel(loop_timers(d->context->loop), &d->timer);
	loop_undefer(d->context->loop, &d->task);
	for (i = 0; i < FAMILIES; i++)
		resolver_cancel(d->context->resolver, &d->family[i].query);
	for (i = 0; i < d->nattempts; i++)
		if (&d->attempts[i] != winner)
			dial_attempt_close(&d->attempts[i]);
}

static void
report(const struct dial *d, struct dial_report *r)
{
	*r = (struct dial_report){
		.reason = d->reason,
		.detail = d->detail,
		.tried = d->tried,
		.ntried = d->ntried,
		.dns_ns = d->resolved != 0 ? d->resolved - d->started : -1,
		.connect_ns =
		    d->connected != 0 ? d->connected - d->resolved : -1,
	};
}

/* What name servers said of a family whose look-up ended for that reason. */
static const char *
dns_detail(const struct dial *d, enum reason reason)
{
	size_t i;

	for (i = 0; i < FAMILIES; i++)
		if (d->family[i].reason == reason &&
		    d->family[i].detail[0] != '\0')
			return (d->family[i].detail);
	return (NULL);
}

static void
failed(struct dial *d, enum reason reason)
{
	struct dial_report r;

	stop(d, NULL);
	d->reason = reason;
	if (d->detail == NULL)
		d->detail = dns_detail(d, reason);
	report(d, &r);
	d->cb(d->arg, &r, NULL);
}

void
dial_succeeded(struct dial *d, struct attempt *a)
{
	struct dial_report r;

	stop(d, a);
	d->connected = loop_now(d->context->loop);
	d->reason = REASON_NONE;
	d->detail = NULL;
	d->tried[a->try] = (struct audit_try){ .addr = a->addr };
	report(d, &r);
	r.upstream = a->addr;
	r.egress = a->local;
	r.error = a->error;
	d->cb(d->arg, &r, &a->lfd);
}

/* The next address in the order of the race; NULL: none is left yet. */
static const struct addr *
next_address(struct dial *d)
{
	unsigned i, k, first = 0;

	if (d->interleave && d->last == 0)
		first = 1;
	for (k = 0; k < FAMILIES; k++) {
		i = (first + k) % FAMILIES;
		if (d->family[i].next < d->family[i].naddrs) {
			d->last = i;
			return (&d->family[i].addrs[d->family[i].next++]);
		}
	}
	return (NULL);
}

static bool
waiting_for_answers(const struct dial *d)
{
	return ((d->family[0].wanted && !d->family[0].answered) ||
		(d->family[1].wanted && !d->family[1].answered));
}

/* Both answers are in and hold no address: which of the two says more? */
static enum reason
dns_reason(const struct dial *d)
{
	static const enum reason order[] = { REASON_NO_MEMORY,
		REASON_DNS_NOT_FOUND, REASON_DNS_TIMEOUT, REASON_DNS_FAILED };
	size_t i;

	for (i = 0; i < sizeof(order) / sizeof(order[0]); i++)
		if (d->family[0].reason == order[i] ||
		    d->family[1].reason == order[i])
			return (order[i]);
	return (REASON_DNS_NO_ADDRESS);
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
	const struct family *first = &d->family[0];

	if (!first->wanted || first->answered || d->nattempts > 0)
		return (false);
	if (d->resolution_end == 0)
		d->resolution_end = now + RESOLUTION_DELAY;
	return (now < d->resolution_end);
}

/* Does what is to be done now, then waits for the next event. */
void
dial_advance(struct dial *d)
{
	int64_t now = loop_now(d->context->loop);
	const struct addr *addr;

	if (d->family[0].naddrs + d->family[1].naddrs == 0) {
		if (!waiting_for_answers(d))
			failed(d, dns_reason(d));
		return;
	}
	if (resolution_delayed(d, now)) {
		wait_until(d, d->resolution_end);
		return;
	}
	while (d->pending == 0 || now >= d->next_attempt) {
		addr = next_address(d);
		if (addr == NULL)
			break;
		dial_try(d, addr);
	}
	if (d->pending == 0 && !waiting_for_answers(d))
		failed(d, d->reason);
	else
		wait_until(
		    d, now >= d->next_attempt ? CLOCK_NEVER : d->next_attempt);
}

static void
timer_cb(struct timer *t)
{
	struct dial *d = container_of(t, struct dial, timer);
	size_t i;

	if (loop_now(d->context->loop) < d->deadline) {
		dial_advance(d);
		return;
	}
	if (d->pending == 0 && d->ntried > 0) {
		/* The other family's answer would have been the last hope. */
		failed(d, d->reason);
		return;
	}
	for (i = 0; i < d->nattempts; i++)
		if (d->attempts[i].lfd.fd != -1)
			d->tried[d->attempts[i].try].reason =
			    REASON_CONNECT_TIMEOUT;
	d->detail = NULL;
	failed(d, d->pending > 0 ? REASON_CONNECT_TIMEOUT : REASON_DNS_TIMEOUT);
}

static void
start_cb(struct loop_task *task)
{
	dial_advance(container_of(task, struct dial, task));
}

/*
 * Keeps the addresses, starting at any of them, so that the tunnels of a
 * cached name spread over them as its owner meant.
 */
static void
answer_cb(struct resolver_query *q, const struct resolver_answer *answer)
{
	struct family *f = container_of(q, struct family, query);
	struct dial *d = f->dial;
	size_t i, n = answer->naddrs, first;

	f->answered = true;
	f->reason = answer->reason;
	snprintf(f->detail, sizeof(f->detail), "%s",
	    answer->detail != NULL ? answer->detail : "");
	first = n > 0 ? dial_random(&d->context->random) % n : 0;
	for (i = 0; i < n && i < RESOLVER_ADDRS_MAX; i++) {
		f->addrs[i] = answer->addrs[(i + first) % n];
		f->addrs[i].port = d->target->port;
		f->naddrs++;
	}
	if (n > 0 && d->resolved == 0)
		d->resolved = loop_now(d->context->loop);
	loop_defer(d->context->loop, &d->task);
}

static void
ask(struct dial *d, struct resolver_account *account)
{
	int families[VERDICT_FAMILIES_MAX];
	unsigned i, n = verdict_families(d->context->family, families);

	d->interleave = d->context->family == ADDR_FAMILY_ANY;
	for (i = 0; i < n; i++) {
		d->family[i].af = families[i];
		d->family[i].wanted = true;
		d->family[i].query.account = account;
	}
	for (i = 0; i < n; i++)
		resolver_ask(d->context->resolver, &d->family[i].query,
		    d->target->host, d->family[i].af, answer_cb);
}

bool
dial_asks(struct dial_context *context, const struct target *target,
    const struct rule *rule)
{
	struct resolver *r = context->resolver;

	if (verdict_address(rule, target) != NULL)
		return (false);
	return ((context->family != ADDR_FAMILY_IPV6 &&
		    resolver_would_ask(r, target->host, AF_INET)) ||
		(context->family != ADDR_FAMILY_IPV4 &&
		    resolver_would_ask(r, target->host, AF_INET6)));
}

int
dial_start(struct dial **out, struct dial_context *context,
    const struct dial_order *order)
{
	struct dial *d = calloc(1, sizeof(*d));
	const struct addr *addr = verdict_address(order->rule, order->target);
	int i;

	if (d == NULL)
		return (-ENOMEM);
	d->context = context;
	d->target = order->target;
	d->rule = order->rule;
	d->cb = order->cb;
	d->arg = order->arg;
	d->last = FAMILIES;
	d->task.cb = start_cb;
	d->started = loop_now(context->loop);
	d->deadline = d->started + context->timeout;
	timer_init(&d->timer, timer_cb);
	for (i = 0; i < FAMILIES; i++)
		d->family[i].dial = d;
	*out = d;
	wait_until(d, CLOCK_NEVER);
	if (addr == NULL) {
		ask(d, order->account);
		return (0);
	}
	d->resolved = d->started;
	d->family[0].addrs[0] = *addr;
	d->family[0].naddrs = 1;
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
