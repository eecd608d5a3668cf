/* The pump ends whatever its halves answer. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "t/unit/tap.h"
#include "worker/tunnel/relay.h"

#define CHUNK  1000
#define BUDGET 10000

/* A half that answers what it is told to. */
struct fake {
	struct half half;
	ssize_t receives, sends; /* what these answer; sends: bytes at most */
	size_t cost, got, receive_calls, send_calls, finish_calls;
	int flushes, finishes;
};

static struct fake *
fake(struct half *h)
{
	return ((struct fake *)(void *)h);
}

static ssize_t
receive(struct half *h, uint8_t *buf, size_t size)
{
	struct fake *f = fake(h);

	f->receive_calls++;
	h->cost = f->cost;
	if (f->receives > 0)
		memset(buf, 'x', (size_t)f->receives);
	return (f->receives);
}

static ssize_t
take(struct half *h, const uint8_t *buf, size_t len)
{
	struct fake *f = fake(h);

	f->send_calls++;
	if (f->sends > 0 && (size_t)f->sends < len)
		len = (size_t)f->sends;
	if (f->sends <= 0)
		return (f->sends);
	f->got += len;
	return ((ssize_t)len);
}

static int
flush(struct half *h)
{
	return (fake(h)->flushes);
}

static int
finish(struct half *h)
{
	fake(h)->finish_calls++;
	return (fake(h)->finishes);
}

static const struct half_ops ops = {
	.receive = receive, .send = take, .flush = flush, .finish = finish
};

static struct buffers buffers;
static struct fake src, dst;

static enum relay_result
pump(size_t budget)
{
	return (relay_pump(&src.half, &budget));
}

/* What comes, what it costs by its own account, and what is taken of it. */
static void
halves(ssize_t receives, size_t cost, ssize_t sends)
{
	buffer_return(&buffers, &src.half.unsent);
	memset(&src, 0, sizeof(src));
	memset(&dst, 0, sizeof(dst));
	half_init(&src.half, &ops, &buffers, &dst.half);
	half_init(&dst.half, &ops, &buffers, &src.half);
	src.half.readable = dst.half.writable = true;
	src.receives = receives;
	src.cost = cost;
	dst.sends = sends;
}

int
main(void)
{
	buffers_init(&buffers, CHUNK, BUFFER_SLACK);
	/* A pump that does not end is a failure, and no wait. */
	alarm(20);

	halves(100, 0, CHUNK);
	is_int(pump(BUDGET), RELAY_MORE, "bytes that cost nothing: the budget");
	is_int(src.receive_calls, BUDGET / 100, "is used up by their number");
	is_int(dst.got, BUDGET, "and all are handed over");
	halves(1, 0, CHUNK);
	is_int(pump(BUDGET), RELAY_MORE, "byte after byte: the budget");
	is_int(src.receive_calls, BUDGET, "is used up, too");
	halves(1, 1024, CHUNK);
	is_int(pump(BUDGET), RELAY_MORE, "little bytes that cost much");
	is_int(src.receive_calls, 10, "are few");

	halves(100, 100, 0);
	is_int(pump(BUDGET), RELAY_WAIT, "a peer that takes nothing: wait");
	is_int(dst.send_calls, 1, "after one try");
	is_int(buffer_len(&src.half.unsent), 100, "nothing is lost");
	halves(CHUNK, CHUNK, 1);
	is_int(pump(CHUNK), RELAY_MORE, "a peer that takes bytes one by one");
	is_int(dst.send_calls, CHUNK, "is asked as often as there are bytes");
	halves(100, 100, -EAGAIN);
	is_int(pump(BUDGET), RELAY_WAIT, "a peer that has to wait");
	is_int(dst.send_calls, 1, "is not asked again");

	halves(-EAGAIN, 0, CHUNK);
	is_int(pump(BUDGET), RELAY_MORE,
	    "nothing, and readable all the same: others have their turn");
	is_int(src.receive_calls, 1, "after one try");
	halves(100, 100, CHUNK);
	dst.flushes = -EAGAIN;
	is_int(pump(BUDGET), RELAY_WAIT, "a flush that has to wait");
	is_int(src.receive_calls, 0, "before anything is received");

	halves(0, 0, CHUNK);
	dst.finishes = -EAGAIN;
	is_int(pump(BUDGET), RELAY_WAIT, "an end that cannot be told yet");
	is_int(dst.finish_calls, 1, "is not told again in this turn");
	is_int(dst.half.finished, false, "nor taken for told");
	dst.finishes = 0;
	is_int(pump(BUDGET), RELAY_WAIT, "it is told");
	is_int(pump(BUDGET), RELAY_WAIT, "in the next");
	is_int(dst.finish_calls, 2, "and once only");
	halves(-ECONNRESET, 0, CHUNK);
	is_int(pump(BUDGET), RELAY_BROKEN, "a half that broke");
	is_int(src.half.error, -ECONNRESET, "and why");

	buffer_return(&buffers, &src.half.unsent);
	buffers_fini(&buffers);
	return (done_testing());
}
