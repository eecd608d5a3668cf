/* A TLS session as the stream of a half. */
#include "worker/tunnel/half_tls.h"

#include <errno.h>
#include <sys/socket.h>

#include "worker/tls/stream.h"

static struct io
receive(struct half *h, uint8_t *buf, size_t size)
{
	return (tls_receive(h->stream, buf, size, half_behind(h)));
}

static struct io
take(struct half *h, const uint8_t *buf, size_t len)
{
	return (tls_send(h->stream, buf, len));
}

static struct io
flush(struct half *h)
{
	return (tls_flush(h->stream));
}

static struct io
finish(struct half *h)
{
	struct io io = tls_finish(h->stream);

	if (io.outcome != IO_DONE)
		return (io);
	/* RFC 8446 section 6.1: close_notify, then the write side. Clients that
	 * wait for TCP's end and not for TLS's see it too. Who has closed
	 * already answers close_notify with a reset. Whether there is more to
	 * it is for those to find out who read. */
	if (shutdown(h->lfd.fd, SHUT_WR) == -1) {
		if (errno != ENOTCONN)
			return (io_broken(-errno));
		h->failed = true;
	}
	return (io);
}

static void
end(struct half *h)
{
	if (h->stream != NULL && h->error == 0)
		tls_part(h->stream);
	tls_stream_free(h->stream);
}

/* The stream is that of a session; NULL while there is none yet, and then only
 * close may be called. */
static const struct half_ops half_tls_ops = {
	.receive = receive,
	.send = take,
	.flush = flush,
	.finish = finish,
	.close = end,
};

void
half_tls_init(struct half *h, struct buffers *buffers, struct half *peer)
{
	half_init(h, &half_tls_ops, buffers, peer);
	h->room = buffers->size;
}
