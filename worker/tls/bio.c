/*
 * The BIO between the TLS library and a client's socket: receives in large
 * pieces, and keeps what could not be sent yet.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "common/base/fd.h"
#include "worker/tls/state.h"

/* Type, version and length of the body (RFC 8446 section 5.1). */
#define RECORD_HEADER 5

/* Fills an empty block, first with what came along with the handshake; keeps
 * in mind what became of it. > 0, or 0: see flags. */
static size_t
receive(struct tls_stream *tls, uint8_t *buf, size_t size)
{
	size_t kept = tls->kept_len;
	ssize_t n;

	if (tls->kept != NULL) {
		memcpy(buf, tls->kept, kept);
		free(tls->kept);
		tls->kept = NULL;
		tls->drained = tls->empty = false;
		return (kept);
	}
	n = fd_recv(tls->fd, buf, size);
	tls_received(tls, n, n == (ssize_t)size);
	return (n > 0 ? (size_t)n : 0);
}

void
tls_received(struct tls_stream *tls, ssize_t n, bool full)
{
	if (n == 0)
		tls->eof = true;
	else if (n > 0)
		tls->drained = !full;
	else if (n == -EAGAIN)
		tls->drained = tls->empty = true;
	else
		tls->io_error = fd_connection_error((int)-n);
	if (n > 0)
		tls->empty = false;
}

/*
 * While the handshake goes on OpenSSL gets of what has come just what it asks
 * for (a record's header, then its body), so that what follows the handshake
 * stays behind.
 */
static int
read_handshake(struct tls_stream *tls, BIO *bio, char *buf, int size)
{
	struct hello *h = &tls->handshake->hello;
	struct intake *in = &tls->handshake->in;
	size_t n = in->may - in->start;

	/* A record takes two. */
	tls->work++;
	if (n > (size_t)size)
		n = (size_t)size;
	if (n == 0) {
		BIO_set_retry_read(bio);
		return (-1);
	}
	if (n > h->max - h->fed) {
		tls->handshake->failure = REASON_HANDSHAKE_TOO_BIG;
		return (-1);
	}
	memcpy(buf, in->bytes + in->start, n);
	in->start += n;
	h->fed += n;
	return ((int)n);
}

/* Follows where records begin and end in what OpenSSL takes. */
static void
follow(struct tls_stream *tls, const uint8_t *bytes, size_t n)
{
	size_t i, body;

	for (i = 0; i < n;) {
		if (tls->header < RECORD_HEADER) {
			/* The last two bytes are the length. */
			if (tls->header >= RECORD_HEADER - 2)
				tls->body = tls->body << 8 | bytes[i];
			tls->header++;
			i++;
		} else {
			body = tls->body < n - i ? tls->body : n - i;
			tls->body -= body;
			i += body;
		}
		if (tls->header == RECORD_HEADER && tls->body == 0)
			tls->header = 0;
	}
}

/* Sessions share the BIO: what it reads or writes is of the one whose call the
 * library is in. */
static struct tls_stream *
caller(BIO *bio)
{
	const struct tls_context *c = BIO_get_data(bio);

	return (c->caller);
}

static int
bio_read(BIO *bio, char *buf, int size)
{
	struct tls_stream *tls = caller(bio);
	struct buffer *in = &tls->in;
	size_t n;

	BIO_clear_retry_flags(bio);
	if (size <= 0)
		return (0);
	if (tls_sated(tls)) {
		/* Others have their turn; the caller comes back. */
		tls->drained = false;
		BIO_set_retry_read(bio);
		return (-1);
	}
	if (tls->handshake != NULL)
		return (read_handshake(tls, bio, buf, size));
	if (buffer_len(in) == 0 && in->data != NULL && !tls->received) {
		tls->received = true;
		in->start = 0;
		in->end = receive(tls, in->data, tls->context->buffers->chunk);
	}
	if (buffer_len(in) == 0) {
		/*
		 * The end of the stream is not shown to OpenSSL: it would
		 * break the session, whose other direction is still good.
		 */
		BIO_set_retry_read(bio);
		return (-1);
	}
	if (tls->header == 0) {
		tls->idle_records++;
		tls->work += TLS_WORK_IDLE;
	}
	n = buffer_len(in) < (size_t)size ? buffer_len(in) : (size_t)size;
	memcpy(buf, in->data + in->start, n);
	follow(tls, in->data + in->start, n);
	in->start += n;
	tls->moved += n;
	return ((int)n);
}

/*
 * What was sealed goes nowhere: the session is of no more use. OpenSSL does not
 * tell our caller of each: where it was the answer to a renegotiation, it goes
 * on to the record behind.
 */
static void
lose(struct tls_stream *tls, int error)
{
	tls->io_error = error;
	if (tls->handshake == NULL && tls->broken == 0)
		tls->broken = error;
}

/* An empty block; what was kept back is the first in it. 0 or -ENOMEM. */
static int
lend_out(struct tls_stream *tls)
{
	struct buffer *out = &tls->out;

	if (buffer_lend(tls->context->buffers, out) != 0)
		return (-ENOMEM);
	if (tls->ticket == NULL)
		return (0);
	memcpy(out->data, tls->ticket, tls->ticket_len);
	out->end = tls->ticket_len;
	free(tls->ticket);
	tls->ticket = NULL;
	return (0);
}

/*
 * Is there room for len bytes more? What a client makes us answer without
 * reading it is limited; all else fits, since a block was made for it.
 */
static bool
has_room(struct tls_stream *tls, size_t len)
{
	size_t room = tls->context->buffers->size - tls->out.end;

	if (tls->answering && len > TLS_ANSWERS_MAX - tls->answers) {
		lose(tls, -EDQUOT);
		return (false);
	}
	if (len > room) {
		tls_set_error(tls, "the sealed records exceed their block");
		lose(tls, -EPROTO);
		return (false);
	}
	if (tls->answering)
		tls->answers += len;
	return (true);
}

/* The rest of the handshake can wait until what is sealed is sent. */
static size_t
wait_for_room(struct tls_stream *tls, BIO *bio, size_t len)
{
	size_t room = tls->context->buffers->size - tls->out.end;

	if (room == 0)
		BIO_set_retry_write(bio);
	return (len < room ? len : room);
}

static int
bio_write(BIO *bio, const char *buf, int len)
{
	struct tls_stream *tls = caller(bio);
	struct buffer *out = &tls->out;
	size_t n = (size_t)len;

	BIO_clear_retry_flags(bio);
	if (len <= 0)
		return (0);
	/* Nothing follows close_notify (RFC 8446 section 6.1), though OpenSSL
	 * (3.0) would still answer a KeyUpdate. */
	if (tls->finished)
		return (len);
	if (out->data == NULL && lend_out(tls) != 0) {
		lose(tls, -ENOMEM);
		return (-1);
	}
	if (tls->handshake != NULL)
		n = wait_for_room(tls, bio, n);
	else if (!has_room(tls, n))
		return (-1);
	if (n == 0)
		return (-1);
	memcpy(out->data + out->end, buf, n);
	out->end += n;
	return ((int)n);
}

static long
bio_ctrl(BIO *bio, int cmd, long num, void *ptr)
{
	/* Flushing is ours to do, after the records of a turn are sealed. */
	return (cmd == BIO_CTRL_FLUSH);
}

int
tls_bio_new(struct tls_context *c)
{
	BIO_METHOD *m =
	    BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "tunnel");

	c->method = m;
	if (m == NULL || BIO_meth_set_read(m, bio_read) != 1 ||
	    BIO_meth_set_write(m, bio_write) != 1 ||
	    BIO_meth_set_ctrl(m, bio_ctrl) != 1)
		return (-ENOMEM);
	c->bio = BIO_new(m);
	if (c->bio == NULL)
		return (-ENOMEM);
	BIO_set_data(c->bio, c);
	BIO_set_init(c->bio, 1);
	return (0);
}
