/*
 * Whose turn it is by TCP, where each question has a connection, and thus a
 * descriptor: there are so many places, which clients have in equal parts. Who
 * finds none waits in line, is served before those who have more, and takes one
 * from who has two more at least. Those who have had theirs for long make room
 * for who waits and has no more than they.
 */
#include <string.h>

#include "common/base/clock.h"
#include "worker/dns/channel_state.h"

/* A server that answers at all has answered by then; to cut it shorter would
 * only have it asked again. */
static int64_t
turn_of(const struct dns_channel *ch)
{
	return (ch->conf->timeout);
}

void
dns_places_leave(struct dns_question *q)
{
	timer_cancel(loop_timers(q->set->channel->loop), &q->timer);
	dns_clients_unwait(q);
}

static void
start(struct dns_channel *ch, struct dns_question *q)
{
	int error;

	dns_places_leave(q);
	error = dns_stream_ask(q, q->awaited);
	if (error == 0)
		return;
	q->shortage = q->shortage || dns_error_shortage(-error);
	q->course->failed(q, q->tries, strerrordesc_np(-error));
}

void
dns_places_give_up(struct dns_question *q)
{
	dns_places_leave(q);
	q->shortage = true;
	q->course->failed(q, q->tries, "too many answers are awaited by TCP");
}

/* The next one is due when the oldest that may be told to go has had its
 * turn. */
static void
arm(struct dns_channel *ch)
{
	const struct dns_question *next = dns_clients_next(ch);
	int64_t since;

	if (next != NULL &&
	    dns_stream_oldest(ch, next->who->places, &since) != NULL)
		timer_arm(loop_timers(ch->loop), &ch->places_timer,
		    since + turn_of(ch));
	else
		timer_cancel(loop_timers(ch->loop), &ch->places_timer);
}

/* It has had its turn: a try of it is over. */
static void
yield(struct dns_question *q)
{
	dns_stream_free(q->stream);
	q->shortage = true;
	q->course->failed(
	    q, q->tries, "no answer by TCP before others had their turn");
}

/* It waits again, for as long as it would have had to the first time. */
static void
put_back(struct dns_channel *ch, struct dns_question *q)
{
	dns_stream_free(q->stream);
	dns_clients_wait_first(q);
	timer_arm(loop_timers(ch->loop), &q->timer, q->place_until);
}

/* Makes room for it, if somebody has to make it. */
static bool
make_place(struct dns_channel *ch, const struct dns_question *next)
{
	struct dns_question *q;
	int64_t since;

	q = dns_stream_newest(ch, next->who->places + 2);
	if (q != NULL) {
		put_back(ch, q);
		return (true);
	}
	q = dns_stream_oldest(ch, next->who->places, &since);
	if (q == NULL || since + turn_of(ch) > loop_now(ch->loop))
		return (false);
	yield(q);
	return (true);
}

/* Each of those who wait, and each that is put back, has one chance. */
static void
go_on(struct dns_channel *ch)
{
	struct dns_question *next;
	size_t n = ch->in_line + BOOT_FILES_DNS_TCP;

	for (; n > 0 && (next = dns_clients_next(ch)) != NULL; n--) {
		if (!dns_stream_place(ch) && !make_place(ch, next))
			break;
		start(ch, next);
	}
	arm(ch);
}

void
dns_places_ask(struct dns_question *q, struct dns_server *server)
{
	struct dns_channel *ch = server->set->channel;

	q->awaited = server;
	q->place_until = loop_now(ch->loop) + 2 * ch->conf->timeout;
	dns_clients_wait(q);
	timer_arm(loop_timers(ch->loop), &q->timer, q->place_until);
	go_on(ch);
}

void
dns_places_task(struct loop_task *task)
{
	go_on(container_of(task, struct dns_channel, places_task));
}

void
dns_places_timer(struct timer *timer)
{
	go_on(container_of(timer, struct dns_channel, places_timer));
}

void
dns_places_abort_all(struct dns_channel *ch)
{
	struct dns_question *q;

	while ((q = dns_clients_next(ch)) != NULL)
		q->course->end(q, NULL);
	timer_cancel(loop_timers(ch->loop), &ch->places_timer);
}
