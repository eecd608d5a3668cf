/*
 * The pump, between halves that answer what they are told to: every answer of
 * an operation at every moment. Whatever comes, it ends, nothing is lost or
 * changed, and no end is told that was not seen.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "t/unit/returns_null.h"
#include "t/unit/tap.h"
#include "worker/tunnel/relay.h"

#define CHUNK  1000
#define BUDGET 10000
#define STEPS  4
#define CALLS  100000

/* What an operation answers; bytes: how many it moves at most. */
struct answer {
	enum io_outcome outcome;
	int error;
	size_t bytes, cost;
};

struct script {
	struct answer steps[STEPS];
	size_t n, next;
	struct answer rest; /* when they are used up */
};

struct fake {
	struct half half;
	struct script receive, send, flush, finish;
	uint64_t came, took; /* bytes, of the streams both ways */
	size_t receives, sends, flushes, finishes, closes;
	bool unflushed;	   /* something was taken over since the last flush */
	bool over;	   /* an operation was told that it broke */
	const char *wrong; /* what the pump must not do */
};

static struct buffers buffers;
static struct fake here, there;

static struct fake *
fake(struct half *h)
{
	return (h->stream);
}

static struct answer
next(struct script *s)
{
	return (s->next < s->n ? s->steps[s->next++] : s->rest);
}

static uint8_t
content(uint64_t at)
{
	return ((uint8_t)(at * 7 + at / 251));
}

static void
must(struct fake *f, bool right, const char *what)
{
	if (!right && f->wrong == NULL)
		f->wrong = what;
}

static struct io
answer(struct fake *f, const struct answer *a, size_t n)
{
	f->over = f->over || a->outcome == IO_BROKEN;
	return ((struct io){ .outcome = a->outcome,
	    .error = a->error,
	    .n = n,
	    .cost = a->cost });
}

static struct io
receive(struct half *h, uint8_t *buf, size_t size)
{
	struct fake *f = fake(h);
	struct answer a = next(&f->receive);
	size_t i, n = a.bytes < size ? a.bytes : size;

	must(f, ++f->receives < CALLS, "receives for ever");
	must(f, buffer_len(&h->pending) == 0, "receives over what is pending");
	must(f, !h->ended && !f->over, "receives behind the end");
	for (i = 0; i < n; i++)
		buf[i] = content(f->came++);
	return (answer(f, &a, n));
}

static struct io
take(struct half *h, const uint8_t *buf, size_t len)
{
	struct fake *f = fake(h);
	struct answer a = next(&f->send);
	size_t i, n = a.bytes < len ? a.bytes : len;

	must(f, ++f->sends < CALLS, "sends for ever");
	must(f, len > 0 && h->writable, "sends what need not be, or cannot");
	must(f, !h->finished && !f->over, "sends behind the end");
	for (i = 0; i < n; i++)
		must(f, buf[i] == content(f->took++), "sends other bytes");
	f->unflushed = f->unflushed || n > 0;
	return (answer(f, &a, n));
}

static struct io
flush(struct half *h)
{
	struct fake *f = fake(h);
	struct answer a = next(&f->flush);

	must(f, ++f->flushes < CALLS, "flushes for ever");
	if (a.outcome == IO_DONE)
		f->unflushed = false;
	return (answer(f, &a, 0));
}

static struct io
finish(struct half *h)
{
	struct fake *f = fake(h);
	struct answer a = next(&f->finish);

	must(f, ++f->finishes < CALLS, "finishes for ever");
	must(f, h->peer->ended, "tells an end that was not seen");
	must(f, buffer_len(&h->peer->pending) == 0 && !f->unflushed,
	    "tells the end before all bytes");
	must(f, !h->finished, "tells the end twice");
	return (answer(f, &a, a.bytes));
}

static void
closed(struct half *h)
{
	fake(h)->closes++;
}

static const struct half_ops ops = { .receive = receive,
	.send = take,
	.flush = flush,
	.finish = finish,
	.close = closed };

static const struct answer nothing = { IO_WAIT_READ, 0, 0, 0 };
static const struct answer done = { IO_DONE, 0, CHUNK, 0 };

static void
init(struct fake *f, struct fake *peer)
{
	buffer_return(&buffers, &f->half.pending);
	memset(f, 0, sizeof(*f));
	half_init(&f->half, &ops, &buffers, &peer->half);
	f->half.stream = f;
	f->half.readable = f->half.writable = true;
	f->receive.rest = nothing;
	f->send.rest = f->flush.rest = f->finish.rest = done;
}

/* From here to there, for ever: what comes, and what is taken of it. */
static void
halves(struct answer comes, struct answer taken)
{
	init(&here, &there);
	init(&there, &here);
	here.receive.rest = comes;
	there.send.rest = taken;
}

static enum relay_result
pump(size_t budget)
{
	struct relay_work work = { .budget = budget };

	return (relay_pump(&here.half, &work));
}

/* What the peer took is told whenever it takes some, not at the end. */
static _Atomic uint64_t told;
static bool late;

static struct io
take_and_look(struct half *h, const uint8_t *buf, size_t len)
{
	struct io io = take(h, buf, len);
	size_t before = fake(h)->took - io.n;

	late = late || told != (before > 150 ? before - 150 : 0);
	return (io);
}

static void
test_told(void)
{
	static const struct half_ops looks = { .receive = receive,
		.send = take_and_look,
		.flush = flush,
		.finish = finish,
		.close = closed };
	struct relay_work work = {
		.budget = BUDGET, .told = &told, .untold = 150
	};

	halves((struct answer){ IO_DONE, 0, 100, 0 }, done);
	there.half.ops = &looks;
	(void)relay_pump(&here.half, &work);
	ok(there.receives == 0 && there.took > 300, "much is taken");
	ok(!late, "each time before the next it is told of");
	is_int((int64_t)told, (int64_t)(there.took - 150),
	    "and all in the end, but for what was not received");
}

static void
test_budget(void)
{
	struct relay_work work = { .budget = BUDGET };

	halves((struct answer){ IO_DONE, 0, 100, 0 }, done);
	is_int(pump(BUDGET), RELAY_MORE, "bytes that cost nothing: the budget");
	is_int(here.receives, BUDGET / 100, "is used up by their number");
	is_int(there.took, BUDGET, "and all are handed over");
	halves((struct answer){ IO_DONE, 0, 1, 0 }, done);
	is_int(pump(BUDGET), RELAY_MORE, "byte after byte: the budget");
	is_int(here.receives, BUDGET, "is used up, too");
	halves((struct answer){ IO_DONE, 0, 1, 1024 }, done);
	is_int(pump(BUDGET), RELAY_MORE, "little bytes that cost much");
	is_int(here.receives, 10, "are few");
	halves((struct answer){ IO_TURN, 0, 0, BUDGET }, done);
	is_int(relay_pump(&here.half, &work), RELAY_MORE,
	    "records without data: others have their turn");
	is_int(here.receives, 1, "after one receive");
	is_int(work.budget, 0, "which costs");
	is_int(work.arrived, 0, "and brings nothing");
	halves((struct answer){ IO_DONE, 0, 0, 0 }, done);
	is_int(pump(BUDGET), RELAY_MORE, "done, and nothing came");
	is_int(here.receives, 1, "is not tried again at once");
}

static void
test_waits(void)
{
	halves(done, (struct answer){ IO_DONE, 0, 0, 0 });
	is_int(pump(BUDGET), RELAY_WAIT, "a peer that takes nothing: wait");
	is_int(there.sends, 1, "after one try");
	is_int(buffer_len(&here.half.pending), CHUNK, "nothing is lost");
	halves(done, (struct answer){ IO_DONE, 0, 1, 0 });
	is_int(pump(CHUNK), RELAY_MORE, "a peer that takes bytes one by one");
	is_int(there.sends, CHUNK, "is asked as often as there are bytes");
	halves(done, (struct answer){ IO_WAIT_WRITE, 0, 0, 0 });
	is_int(pump(BUDGET), RELAY_WAIT, "a peer that has to wait");
	is_int(there.sends, 1, "is not asked again");
	is_int(pump(BUDGET), RELAY_WAIT, "nor in the next turn");
	is_int(there.sends, 1, "before it can be written");
	halves(done, (struct answer){ IO_WAIT_WRITE, 0, CHUNK, 0 });
	is_int(pump(BUDGET), RELAY_WAIT, "a peer that takes all, and waits");
	is_int(buffers.nlent, 0, "holds no block");
	halves(done, done);
	there.flush.rest = (struct answer){ IO_WAIT_WRITE, 0, 0, 0 };
	is_int(pump(BUDGET), RELAY_WAIT, "a flush that has to wait");
	is_int(here.receives, 0, "before anything is received");
	halves((struct answer){ IO_WAIT_READ, 0, 100, 0 }, done);
	is_int(pump(BUDGET), RELAY_WAIT, "the last bytes that are there");
	is_int(there.took, 100, "are handed over");
	is_int(here.receives, 1, "and no more is asked for");
}

static void
test_ends(void)
{
	halves((struct answer){ IO_END, 0, 0, 0 }, done);
	there.finish.rest = (struct answer){ IO_WAIT_WRITE, 0, 0, 0 };
	is_int(pump(BUDGET), RELAY_WAIT, "an end that cannot be told yet");
	is_int(there.finishes, 1, "is not told again in this turn");
	is_int(there.half.finished, false, "nor taken for told");
	there.finish.rest = (struct answer){ IO_DONE, 0, 31, 0 };
	is_int(pump(BUDGET), RELAY_WAIT, "it waits for the socket");
	is_int(there.finishes, 1, "until that can be written");
	there.half.writable = true;
	is_int(pump(BUDGET), RELAY_WAIT, "it is told");
	is_int(pump(BUDGET), RELAY_WAIT, "in the next");
	is_int(there.finishes, 2, "and once only");
	is_int(there.half.goodbye, 31, "with a goodbye");
	is_int(here.half.truncated, false, "as it was meant");
	halves((struct answer){ IO_CUT, 0, 0, 0 }, done);
	is_int(pump(BUDGET), RELAY_WAIT, "an end without the goodbye");
	is_int(here.half.truncated, true, "is passed on, and known");
	halves((struct answer){ IO_CUT, 0, 0, 0 }, done);
	here.half.strict = true;
	is_int(pump(BUDGET), RELAY_BROKEN, "or, where it must not be, breaks");
	is_int(here.half.error, -ECONNABORTED, "and why");
	is_int(there.finishes, 0, "no end is told");
}

/* Two things are known of a socket: the worse one counts. */
static void
test_errors(void)
{
	halves((struct answer){ IO_BROKEN, -ECONNRESET, 0, 0 }, done);
	is_int(pump(BUDGET), RELAY_BROKEN, "a half that broke");
	is_int(here.half.error, -ECONNRESET, "and why");
	halves(done, (struct answer){ IO_BROKEN, -ETIMEDOUT, 0, 0 });
	is_int(pump(BUDGET), RELAY_BROKEN, "a peer that broke");
	is_int(there.half.error, -ETIMEDOUT, "and why");
	is_int(here.half.error, 0, "it alone");
	halves((struct answer){ IO_CUT, -ECONNRESET, 0, 0 }, done);
	is_int(pump(BUDGET), RELAY_BROKEN,
	    "an end of a socket that was told of a reset is none");
	is_int(here.half.error, -ECONNRESET, "but the reset");
	halves((struct answer){ IO_WAIT_READ, -ECONNRESET, 100, 0 }, done);
	is_int(pump(BUDGET), RELAY_WAIT, "bytes that came before a reset");
	is_int(there.took, 100, "are handed over");
	here.half.readable = true;
	here.receive.rest = nothing;
	is_int(pump(BUDGET), RELAY_BROKEN, "then it breaks");
	is_int(here.half.error, -ECONNRESET, "with the reset");
	halves((struct answer){ IO_BROKEN, -EPIPE, 0, 0 }, done);
	is_int(pump(BUDGET), RELAY_BROKEN, "somebody else was told why");
	is_int(here.half.error, -ECONNRESET, "it broke: a reset");
	halves((struct answer){ IO_BROKEN, -ENOMEM, 0, 0 }, done);
	is_int(pump(BUDGET), RELAY_NO_MEMORY, "no memory behind an operation");
}

static void
test_no_memory(void)
{
	struct buffers none;

	halves(done, done);
	buffers_init(&none, (size_t)1 << 50, BUFFER_SLACK);
	here.half.buffers = &none;
	is_int(pump(BUDGET), RELAY_NO_MEMORY, "no memory for a block");
	is_int(here.receives, 0, "nothing was received");
	here.half.buffers = &buffers;
	buffers_fini(&none);
}

/* What the pump did is right so far, from f to its peer. */
static const char *
wrong(const struct fake *f, const struct fake *peer, enum relay_result r)
{
	const struct half *h = &f->half;
	size_t pending = buffer_len(&h->pending);

	if (f->wrong != NULL)
		return (f->wrong);
	if (peer->wrong != NULL)
		return (peer->wrong);
	if (f->came != peer->took + pending)
		return ("bytes are lost");
	if (h->delivered != peer->took)
		return ("delivered bytes are not counted");
	if ((pending > 0) != (h->pending.data != NULL))
		return ("a block without bytes is kept");
	if ((r == RELAY_BROKEN) != (h->error != 0 || peer->half.error != 0))
		return ("broken without an error, or the other way");
	if (peer->half.finished && !h->ended)
		return ("an end that nobody told");
	if (r == RELAY_WAIT && h->readable && peer->half.writable &&
	    !peer->half.finished)
		return ("waits for nothing");
	return (NULL);
}

/* All answers that an operation may give. */
static const struct answer receives[] = { { IO_DONE, 0, 700, 0 },
	{ IO_DONE, 0, CHUNK, 5000 }, { IO_WAIT_READ, 0, 300, 0 },
	{ IO_WAIT_READ, 0, 0, 0 }, { IO_TURN, 0, 0, 100 }, { IO_END, 0, 0, 0 },
	{ IO_CUT, 0, 0, 0 }, { IO_BROKEN, -ECONNRESET, 0, 0 } };
static const struct answer sends[] = { { IO_DONE, 0, CHUNK, 0 },
	{ IO_DONE, 0, 10, 0 }, { IO_WAIT_WRITE, 0, CHUNK, 0 },
	{ IO_WAIT_WRITE, 0, 150, 0 }, { IO_WAIT_WRITE, 0, 0, 0 },
	{ IO_BROKEN, -ETIMEDOUT, 0, 0 } };
static const struct answer others[] = { { IO_DONE, 0, 0, 0 },
	{ IO_WAIT_WRITE, 0, 0, 0 }, { IO_BROKEN, -ENOTCONN, 0, 0 } };
#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

/* The next number's worth of a choice. */
static size_t
pick(size_t *seed, size_t n)
{
	size_t i = *seed % n;

	*seed /= n;
	return (i);
}

static void
write_script(struct script *s, size_t *seed, const struct answer *from,
    size_t n, size_t steps)
{
	for (s->n = 0; s->n < steps; s->n++)
		s->steps[s->n] = from[pick(seed, n)];
}

/* Pumps until nothing more can come of it; events come in between. */
static const char *
play(struct fake *f, struct fake *peer)
{
	struct relay_work work;
	enum relay_result r = RELAY_WAIT;
	const char *why;
	int turn;

	for (turn = 0; turn < 40; turn++) {
		f->half.readable = f->half.readable || !f->half.ended;
		peer->half.writable = true;
		work = (struct relay_work){ .budget = BUDGET };
		r = relay_pump(&f->half, &work);
		why = wrong(f, peer, r);
		if (why != NULL)
			return (why);
		if (r == RELAY_BROKEN || r == RELAY_NO_MEMORY)
			return (NULL);
	}
	if (f->half.ended && !peer->half.finished)
		return ("an end is never told");
	return (NULL);
}

/* One direction, every sequence. */
static void
test_all(void)
{
	size_t seed, left,
	    n = COUNT(receives) * COUNT(receives) * COUNT(receives) *
		COUNT(sends) * COUNT(sends) * COUNT(others) * COUNT(others);
	const char *why = NULL;

	for (seed = 0; seed < n && why == NULL; seed++) {
		left = seed;
		halves(nothing, done);
		write_script(
		    &here.receive, &left, receives, COUNT(receives), 3);
		write_script(&there.send, &left, sends, COUNT(sends), 2);
		write_script(&there.flush, &left, others, COUNT(others), 1);
		write_script(&there.finish, &left, others, COUNT(others), 1);
		why = play(&here, &there);
	}
	ok(why == NULL, "every sequence of answers: %s (%zu of %zu)",
	    why != NULL ? why : "all is well", seed, n);
}

/* Both directions by turns, sequences by chance. */
static void
test_both(void)
{
	uint64_t state = 88172645463325252U;
	const char *why = NULL;
	size_t left, i, turn;

	for (i = 0; i < 20000 && why == NULL; i++) {
		halves(nothing, done);
		for (turn = 0; turn < 2; turn++) {
			struct fake *f = turn == 0 ? &here : &there;

			state ^= state << 13;
			state ^= state >> 7;
			state ^= state << 17;
			left = (size_t)state;
			write_script(&f->receive, &left, receives,
			    COUNT(receives), STEPS);
			write_script(
			    &f->send, &left, sends, COUNT(sends), STEPS);
			write_script(
			    &f->flush, &left, others, COUNT(others) - 1, 2);
			write_script(
			    &f->finish, &left, others, COUNT(others) - 1, 2);
		}
		why = play(&here, &there);
		if (why == NULL && here.half.error == 0 &&
		    there.half.error == 0)
			why = play(&there, &here);
	}
	ok(why == NULL, "both directions: %s (%zu)",
	    why != NULL ? why : "all is well", i);
}

int
main(void)
{
	buffers_init(&buffers, CHUNK, BUFFER_SLACK);
	/* A pump that does not end is a failure, and no wait. */
	alarm(120);
	test_told();
	test_budget();
	test_waits();
	test_ends();
	test_errors();
	test_no_memory();
	test_all();
	test_both();
	buffer_return(&buffers, &here.half.pending);
	buffer_return(&buffers, &there.half.pending);
	half_close(&here.half, true);
	is_int(here.closes, 1, "a half that is closed closes its stream");
	is_int(buffers.nlent, 0, "no block is left");
	buffers_fini(&buffers);
	return (done_testing());
}
