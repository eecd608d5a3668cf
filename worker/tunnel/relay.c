/* Moves bytes from one half to the other, whatever carries them. */
#include "worker/tunnel/relay.h"

#include <errno.h>

#include "common/shm/stats.h"

/* Whenever this process dies, what it has done is known. */
static void
tell(const struct relay_work *work, uint64_t delivered)
{
	uint64_t before, now;
	size_t i;

	if (work->told == NULL || delivered <= work->untold)
		return;
	before = atomic_load_explicit(work->told, memory_order_relaxed);
	now = delivered - work->untold;
	atomic_store_explicit(work->told, now, memory_order_relaxed);
	for (i = 0; i < sizeof(work->sums) / sizeof(work->sums[0]); i++)
		if (work->sums[i] != NULL)
			stats_add(work->sums[i], now - before);
}

/* Hands what is pending to the peer. DONE: all of it; WAIT_WRITE; BROKEN. */
static struct io
push(struct half *src, struct half *dst, const struct relay_work *work)
{
	struct buffer *pending = &src->pending;
	struct io io = io_outcome(IO_DONE);
	size_t len;

	while ((len = buffer_len(pending)) > 0 && io.outcome == IO_DONE) {
		if (!dst->writable)
			return (io_outcome(IO_WAIT_WRITE));
		io = half_send(dst, pending->data + pending->start, len);
		pending->start += io.n;
		src->delivered += io.n;
		tell(work, src->delivered);
		if (io.n == 0 && io.outcome == IO_DONE)
			return (io_outcome(IO_WAIT_WRITE));
	}
	if (len > 0)
		return (io);
	buffer_return(src->buffers, pending);
	if (io.outcome != IO_DONE)
		return (io);
	return (dst->writable ? half_flush(dst) : io_outcome(IO_WAIT_WRITE));
}

static void
spend(struct relay_work *work, const struct io *io)
{
	/* What came costs its bytes at least: the pump must end. */
	size_t cost = io->cost > io->n ? io->cost : io->n;

	work->arrived += io->n;
	work->budget -= cost < work->budget ? cost : work->budget;
}

/* Receives once. As half_receive(), but for an end: DONE. BROKEN with -ENOMEM:
 * also where there is no block. */
static struct io
pull(struct half *src, struct relay_work *work)
{
	struct io io;

	if (buffer_lend(src->buffers, &src->pending) != 0)
		return (io_broken(-ENOMEM));
	io = half_receive(src, src->pending.data);
	spend(work, &io);
	if (io.n > 0) {
		src->pending.end = io.n;
		return (io_outcome(IO_DONE));
	}
	buffer_return(src->buffers, &src->pending);
	if (io.outcome == IO_END || io.outcome == IO_CUT) {
		src->ended = true;
		src->truncated = io.outcome == IO_CUT;
		return (io_outcome(IO_DONE));
	}
	/* Done, and nothing came: never again in this turn. */
	return (io.outcome == IO_DONE ? io_outcome(IO_TURN) : io);
}

/* The pump cannot go on: what came of the last operation, on h. */
static enum relay_result
stopped(struct half *h, const struct io *io)
{
	int error = io->error;

	if (io->outcome == IO_TURN)
		return (RELAY_MORE);
	if (io->outcome != IO_BROKEN)
		return (RELAY_WAIT);
	if (error == -ENOMEM)
		return (RELAY_NO_MEMORY);
	/* It was told before, or is still to be told, what has happened. */
	if (error == -EPIPE || error == -ENOTCONN)
		error = half_socket_error(h) != 0 ? h->error : -ECONNRESET;
	if (h->error == 0)
		h->error = error;
	return (RELAY_BROKEN);
}

enum relay_result
relay_pump(struct half *src, struct relay_work *work)
{
	struct half *dst = src->peer;
	struct io io;

	for (;;) {
		io = push(src, dst, work);
		if (io.outcome != IO_DONE)
			return (stopped(dst, &io));
		if (src->ended) {
			if (!dst->finished)
				io = half_finish(dst);
			return (stopped(dst, &io));
		}
		if (!src->readable)
			return (RELAY_WAIT);
		if (work->budget == 0)
			return (RELAY_MORE);
		io = pull(src, work);
		if (io.outcome != IO_DONE)
			return (stopped(src, &io));
	}
}
