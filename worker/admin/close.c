/*
 * POST /close: has workers end the tunnels that the query asks for, and waits
 * until they have. They are looked for again and again, and those that are
 * still there are told of once more, so that no message need arrive.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "common/base/clock.h"
#include "common/control.h"
#include "common/log/log.h"
#include "worker/admin/exchange.h"
#include "worker/admin/handlers.h"
#include "worker/admin/scan.h"
#include "worker/admin/state.h"

/* As long as none ends; and in all, which is less than what who asks waits. */
#define PATIENCE (3 * CLOCK_SEC)
#define TIME_MAX (8 * CLOCK_SEC)

/* Until the next look, and until the master may take messages again. */
#define LOOK_AGAIN (10 * CLOCK_MSEC)
#define SEND_AGAIN (2 * CLOCK_MSEC)

/* Looked at by each call. */
#define LOOKS_MAX 64

struct closing {
	struct scan scan;
	struct exchange *exchange;
	bool text;
	int64_t asked_at; /* who comes later is not meant */
	uint64_t found, left, left_before;
	int64_t moved_at;	/* when one was seen to have ended */
	struct control_msg msg; /* to be sent, if its count is not 0 */
	struct timer pause;
};

static void
pause_cb(struct timer *t)
{
	exchange_wake(container_of(t, struct closing, pause)->exchange);
}

static enum exchange_step
wait_for(struct closing *c, int64_t time)
{
	struct loop *loop = c->exchange->admin->loop;

	timer_arm(loop_timers(loop), &c->pause, loop_now(loop) + time);
	return (EXCHANGE_WAIT);
}

static bool
is_late(const struct closing *c)
{
	return (loop_now(c->exchange->admin->loop) - c->asked_at > TIME_MAX);
}

/* False: the master takes none now. When it is late they are let go, so that
 * the look comes to its end, which tells of them. */
static bool
send_numbers(struct closing *c)
{
	const struct boot_admin *boot = c->exchange->admin->boot;

	if (c->msg.count > 0 &&
	    control_send(boot->control_fd, &c->msg, NULL, 0) == -EAGAIN &&
	    !is_late(c))
		return (false);
	c->msg.count = 0;
	return (true);
}

static bool
is_for(const struct control_msg *msg, const struct boot_worker *w)
{
	return (msg->slot == (uint32_t)w->slot && msg->worker == w->worker &&
		msg->generation == w->generation);
}

/* The one that was found is to be closed. */
static void
add_number(struct closing *c)
{
	const struct boot_worker *w = &c->scan.worker->boot;
	const struct tunnel_facts *f = &c->scan.entry.facts;

	if (f->accepted > c->asked_at)
		return;
	c->left++;
	/* The next look finds again what is not told of now. */
	if (c->msg.count > 0 && !is_for(&c->msg, w) && !send_numbers(c))
		return;
	c->msg.slot = (uint32_t)w->slot;
	c->msg.worker = w->worker;
	c->msg.generation = w->generation;
	c->msg.numbers[c->msg.count++] = f->number;
}

static enum exchange_step
tell_end(struct closing *c)
{
	struct exchange *e = c->exchange;
	uint64_t closed = c->found - c->left;

	e->status = c->found == 0 ? 404 : c->left > 0 ? 504 : 200;
	log_write(e->admin->boot->log, LOG_LEVEL_NOTICE,
	    "close: %" PRIu64 " of %" PRIu64
	    " tunnel%s closed, as asked for by "
	    "process %d of user %u",
	    closed, c->found, c->found == 1 ? "" : "s", (int)e->peer.pid,
	    (unsigned)e->peer.uid);
	if (!c->text)
		text_put(e->out,
		    "{\"found\":%" PRIu64 ",\"closed\":%" PRIu64 "}\n",
		    c->found, closed);
	else if (c->found == 0)
		text_put(e->out, "close: no such tunnel is open\n");
	else if (c->left == 0)
		text_put(e->out, "close: %" PRIu64 " tunnel%s closed\n", closed,
		    closed == 1 ? "" : "s");
	else
		text_put(e->out,
		    "close: %" PRIu64 " of %" PRIu64 " closed; the workers of "
		    "the others do not answer\n",
		    closed, c->found);
	return (EXCHANGE_END);
}

/* All tables have been looked through. */
static enum exchange_step
end_look(struct closing *c)
{
	int64_t now = loop_now(c->exchange->admin->loop);

	/* More than at first: one was overlooked that was being written. */
	if (c->left > c->found)
		c->found = c->left;
	if (c->left < c->left_before)
		c->moved_at = now;
	if (c->left == 0 || now - c->moved_at > PATIENCE || is_late(c))
		return (tell_end(c));
	c->left_before = c->left;
	c->left = 0;
	scan_begin(&c->scan);
	return (wait_for(c, LOOK_AGAIN));
}

static enum exchange_step
close_more(struct exchange *e)
{
	struct closing *c = e->state;
	enum scan_look look;
	unsigned i;

	for (i = 0; i < LOOKS_MAX; i++) {
		if (c->msg.count == CONTROL_NUMBERS_MAX && !send_numbers(c))
			return (wait_for(c, SEND_AGAIN));
		look = scan_next(&c->scan, e->admin);
		if (look == SCAN_END)
			return (send_numbers(c) ? end_look(c)
						: wait_for(c, SEND_AGAIN));
		if (look == SCAN_FOUND)
			add_number(c);
	}
	return (EXCHANGE_MORE);
}

static void
close_done(struct exchange *e)
{
	struct closing *c = e->state;

	timer_cancel(loop_timers(e->admin->loop), &c->pause);
	free(c);
}

void
close_answer(struct exchange *e)
{
	struct closing *c = calloc(1, sizeof(*c));
	const struct piece *format;

	if (c == NULL) {
		exchange_say(e, 503, "no memory");
		return;
	}
	c->exchange = e;
	c->asked_at = c->moved_at = loop_now(e->admin->loop);
	c->msg.type = CONTROL_CLOSE;
	timer_init(&c->pause, pause_cb);
	e->state = c;
	e->done = close_done;
	if (!scan_init(&c->scan, e))
		return;
	format = &c->scan.format;
	c->text = piece_is(*format, "text");
	if (format->s != NULL && !c->text && !piece_is(*format, "json")) {
		exchange_say(e, 400, "format is json or text");
		return;
	}
	if (c->scan.filters == 0) {
		exchange_say(e, 400,
		    "say which tunnels; client=0.0.0.0/0 means all of IPv4, "
		    "client=::/0 all of IPv6");
		return;
	}
	e->type = c->text ? EXCHANGE_TEXT : EXCHANGE_JSON;
	e->more = close_more;
}
