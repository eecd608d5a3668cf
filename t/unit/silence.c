/* Who has vanished, and who only takes nothing. */
#include "worker/tunnel/silence.h"

#include "common/base/clock.h"
#include "t/unit/tap.h"

#define LIMIT (120 * CLOCK_SEC)
#define BEGIN (1000 * CLOCK_SEC)

/* Looks as often as is asked for while the facts are those that facts() gives
 * for that time; returns after how many seconds the peer is lost, -1: after a
 * day it is not, -2: it owes nothing. */
static int64_t
lost_after(void facts(struct silence_facts *, int64_t since), int64_t limit)
{
	struct silence s = { 0 };
	struct silence_facts f;
	int64_t now = BEGIN + silence_first(limit);

	while (now < BEGIN + 24 * 3600 * CLOCK_SEC) {
		f = (struct silence_facts){ .acked = 5 };
		facts(&f, now - BEGIN);
		switch (silence_judge(&s, &f, now, limit)) {
		case SILENCE_SETTLED:
			return (-2);
		case SILENCE_LOST:
			return ((now - BEGIN) / CLOCK_SEC);
		case SILENCE_OWES:
			break;
		}
		now = silence_next(&s, now, limit);
	}
	return (-1);
}

/* How long ago it was that the kernel repeated itself, at 0, 1, 3, 7, ...,
 * 127 s and then every 120 s; *n: how often. */
static int64_t
since_repeat(int64_t since, unsigned *n)
{
	int64_t at = 0, next = CLOCK_SEC, step = CLOCK_SEC;

	for (*n = 0; next <= since; (*n)++) {
		at = next;
		step = 2 * step < 120 * CLOCK_SEC ? 2 * step : 120 * CLOCK_SEC;
		next += step;
	}
	return (since - at);
}

static void
gone(struct silence_facts *f, int64_t since)
{
	f->in_flight = f->window = true;
	f->last_sent = since_repeat(since, &f->repeated);
	f->last_ack = 3600 * CLOCK_SEC + since;
}

static void
settled(struct silence_facts *f, int64_t since)
{
	f->last_ack = f->last_sent = 3600 * CLOCK_SEC + since;
}

static void
busy(struct silence_facts *f, int64_t since)
{
	f->in_flight = f->window = f->queued = true;
	f->acked = (uint64_t)since;
}

/* A new question just before each look of one that answers. */
static void
seldom(struct silence_facts *f, int64_t since)
{
	f->in_flight = f->window = true;
	f->acked = (uint64_t)since;
	f->last_ack = 3600 * CLOCK_SEC;
	f->last_sent = CLOCK_MSEC;
}

/* Each question is answered in a tenth of a second: the window is closed. */
static void
closed(struct silence_facts *f, int64_t since)
{
	unsigned n;

	f->queued = true;
	f->last_sent = since;
	f->last_ack = since_repeat(since, &n);
	f->probes = f->last_ack < CLOCK_SEC / 10;
}

/* The same, and it closed over what was under way. */
static void
shrunk(struct silence_facts *f, int64_t since)
{
	f->in_flight = f->queued = true;
	f->last_sent = since_repeat(since, &f->repeated);
	f->last_ack = f->last_sent < CLOCK_SEC / 10
			  ? f->last_sent + 120 * CLOCK_SEC
			  : f->last_sent - CLOCK_SEC / 10;
}

static void
closed_and_gone(struct silence_facts *f, int64_t since)
{
	f->queued = true;
	f->last_sent = since;
	f->last_ack = since;
	(void)since_repeat(since, &f->probes);
}

static void
shrunk_and_gone(struct silence_facts *f, int64_t since)
{
	gone(f, since);
	f->window = false;
}

/* Only the end of our stream is on its way; it is no byte that is sent. */
static void
end_unheard(struct silence_facts *f, int64_t since)
{
	gone(f, since);
	f->last_sent = 2 * 3600 * CLOCK_SEC + since;
}

/* Nothing reached it for two minutes, and then, just as we look, all does. */
static void
returns(struct silence_facts *f, int64_t since)
{
	if (since > LIMIT + LIMIT / 4)
		settled(f, since);
	else
		gone(f, since);
}

int
main(void)
{
	const int64_t first = LIMIT / 4 / CLOCK_SEC;

	is_int(lost_after(settled, LIMIT), -2,
	    "who owes nothing is not looked at again");
	is_int(lost_after(gone, LIMIT), LIMIT / CLOCK_SEC + first + 2,
	    "who has vanished is lost after the time, a quarter and 2 s");
	is_int(lost_after(gone, 4 * CLOCK_SEC), 6, "whatever the time");
	is_int(lost_after(end_unheard, LIMIT), LIMIT / CLOCK_SEC + first + 2,
	    "so is who does not hear the end of our stream");
	is_int(lost_after(busy, LIMIT), -1, "who takes bytes is not");
	is_int(lost_after(seldom, LIMIT), -1,
	    "nor who is sent something now and then");
	is_int(lost_after(returns, LIMIT), -2, "nor who returns in time");
	is_int(lost_after(closed, LIMIT), -1,
	    "a closed window is not the end of a peer");
	is_int(
	    lost_after(closed, 4 * CLOCK_SEC), -1, "nor if the time is short");
	is_int(lost_after(shrunk, LIMIT), -1,
	    "nor one that was closed over what was under way");
	is_int(
	    lost_after(shrunk, 4 * CLOCK_SEC), -1, "nor if the time is short");
	is_int(lost_after(closed_and_gone, LIMIT),
	    LIMIT / CLOCK_SEC + first + 2,
	    "whose window is closed can vanish, too");
	is_int(lost_after(shrunk_and_gone, LIMIT),
	    LIMIT / CLOCK_SEC + first + 2, "in either way");
	return (done_testing());
}
