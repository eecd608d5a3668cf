/*
 * Whose turn it is by TCP, where each question has a connection, and thus a
 * descriptor: there are so many places. Who finds none waits in line, and those
 * who have had theirs for long make room for who waits.
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

static void
start(struct dns_question *q)
{
	int error = dns_stream_ask(q, q->awaited);

	if (error == 0)
		return;
	q->shortage = q->shortage || dns_error_shortage(-error);
	q->course->failed(q, strerrordesc_np(-error));
}

static struct dns_question *
first_of(const struct dns_channel *ch)
{
	return (STAILQ_FIRST(&ch->waiting));
}

static struct dns_question *
take_first(struct dns_channel *ch)
{
	struct dns_question *q = first_of(ch);

	STAILQ_REMOVE_HEAD(&ch->waiting, due);
	ch->nwaiting--;
	return (q);
}

static void
give_up(struct dns_question *q)
{
	q->shortage = true;
	q->course->failed(q, "too many answers are awaited by TCP");
}

/* The next one is due when the first in line has waited for too long, or the
 * oldest has had its turn. */
static void
arm(struct dns_channel *ch)
{
	int64_t when, oldest = dns_stream_oldest(ch);

	if (first_of(ch) == NULL) {
		timer_cancel(loop_timers(ch->loop), &ch->places_timer);
		return;
	}
	when = first_of(ch)->place_until;
	if (oldest != CLOCK_NEVER && oldest + turn_of(ch) < when)
		when = oldest + turn_of(ch);
	timer_arm(loop_timers(ch->loop), &ch->places_timer, when);
}

static void
go_on(struct dns_channel *ch)
{
	int64_t now = loop_now(ch->loop);
	size_t n;

	while (first_of(ch) != NULL && first_of(ch)->place_until <= now)
		give_up(take_first(ch));
	for (n = ch->nwaiting; n > 0 && !dns_stream_place(ch) &&
			       dns_stream_oldest(ch) + turn_of(ch) <= now;
	     n--) {
		dns_stream_yield(ch);
		start(take_first(ch));
	}
	while (first_of(ch) != NULL && dns_stream_place(ch))
		start(take_first(ch));
	arm(ch);
}

void
dns_places_ask(struct dns_question *q, struct dns_server *server)
{
	struct dns_channel *ch = server->set->channel;

	q->awaited = server;
	q->place_until = loop_now(ch->loop) + 2 * ch->conf->timeout;
	STAILQ_INSERT_TAIL(&ch->waiting, q, due);
	ch->nwaiting++;
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
