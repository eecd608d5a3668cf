/* Seals what goes in the stream of a session, and sends it. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "common/base/clock.h"
#include "common/base/fd.h"
#include "worker/tls/state.h"
#include "worker/tls/stream.h"

void
tls_part(struct tls_stream *tls)
{
	if (tls->ticket == NULL || tls->io_error != 0)
		return;
	(void)fd_send(tls->fd, tls->ticket, tls->ticket_len);
	free(tls->ticket);
	tls->ticket = NULL;
}

/* EPIPE is what the kernel says once somebody was told what has happened; to
 * our callers it would be the end of a stream. */
static int
send_failed(struct tls_stream *tls, int error)
{
	if (error == EAGAIN)
		return (-EAGAIN);
	if (tls->send_error == 0)
		tls->send_error = error == EPIPE && tls->io_error != 0
				      ? tls->io_error
				      : fd_connection_error(error);
	return (tls->send_error);
}

typedef ssize_t send_fn(int fd, const void *, size_t);

static int
flush_out(struct tls_stream *tls, send_fn *send)
{
	struct buffer *out = &tls->out;
	ssize_t n;

	while (buffer_len(out) > 0) {
		n = send(tls->fd, out->data + out->start, buffer_len(out));
		if (n < 0)
			return (send_failed(tls, (int)-n));
		out->start += (size_t)n;
	}
	buffer_return(tls->context->buffers, out);
	tls->answers = 0;
	return (0);
}

int
tls_flush_out(struct tls_stream *tls)
{
	return (flush_out(tls, fd_send));
}

/* Of 0, -EAGAIN or another -errno. */
static struct io
sent(const struct tls_stream *tls, int error)
{
	struct io io = { .error = tls->send_error };

	if (error == -EAGAIN || (error == 0 && tls_unsent(tls)))
		io.outcome = IO_WAIT_WRITE;
	else if (error != 0)
		io = tls_broken(tls, error);
	return (io);
}

struct io
tls_flush(struct tls_stream *tls)
{
	return (sent(tls, tls_flush_out(tls)));
}

/* Seals it, in records of the size that is best now. 0 or -errno. */
static int
seal(struct tls_stream *tls, const uint8_t *buf, size_t len)
{
	size_t done, piece = len, n;
	int ret;

	if (len > PACE_SMALL)
		pace_begin(&tls->pace, clock_now());
	for (done = 0; done < len; done += piece) {
		if (len > PACE_SMALL)
			piece = pace_next(&tls->pace, len - done);
		ret = SSL_write_ex(tls->ssl, buf + done, piece, &n);
		if (ret != 1) {
			ret = tls_result(tls, ret);
			/* An empty block takes a chunk: see tls_slack(). */
			return (ret == -EAGAIN ? -EPROTO : ret);
		}
		assert(n == piece);
	}
	return (0);
}

struct io
tls_send(struct tls_stream *tls, const uint8_t *buf, size_t len)
{
	struct io io;
	int error;

	assert(len > 0 && len <= tls->context->buffers->chunk);
	assert(TLS_TICKET_MAX + tls_sealed_max(len) <=
	       tls->context->buffers->size);
	if (tls_unsent(tls))
		return (sent(tls, -EAGAIN));
	tls_enter(tls);
	error = seal(tls, buf, len);
	if (error != 0)
		return (tls_broken(tls, error));
	io = tls_flush(tls);
	if (io.outcome != IO_BROKEN)
		io.n = len;
	return (io);
}

/* Seals it. 0 or -errno. */
static int
seal_goodbye(struct tls_stream *tls)
{
	int ret;

	tls_enter(tls);
	/* Once only: a second call would read. */
	ret = SSL_shutdown(tls->ssl);
	tls->finished = true;
	if (ret < 0) {
		ret = tls_result(tls, ret);
		return (ret == -EAGAIN ? -EPROTO : ret);
	}
	tls->goodbye = buffer_len(&tls->out);
	return (0);
}

struct io
tls_finish(struct tls_stream *tls)
{
	struct io io = tls_flush(tls);
	int error;

	if (io.outcome == IO_DONE && !tls->finished) {
		error = seal_goodbye(tls);
		if (error != 0)
			return (tls_broken(tls, error));
		io = sent(tls, flush_out(tls, fd_send_last));
	}
	if (io.outcome == IO_DONE)
		io.n = tls->goodbye;
	return (io);
}
