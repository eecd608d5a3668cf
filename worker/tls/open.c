/* Receives what comes in the stream of a session, and opens it. */
#include <assert.h>
#include <errno.h>
#include <openssl/err.h>

#include "worker/tls/state.h"
#include "worker/tls/stream.h"

/* How many records without data may come before data makes up for them. Honest
 * peers send a KeyUpdate after gigabytes (RFC 8446 section 5.5). */
#define IDLE_RECORDS_MAX  256
#define IDLE_RECORD_BYTES 1024

/* What a record costs of a turn's budget, whatever is in it. */
#define RECORD_COST 1024

/* A record with data is none without; and enough data makes up for one. */
static void
make_up(struct tls_stream *tls, size_t n)
{
	size_t repaid;

	tls->made_up += n;
	repaid = 1 + tls->made_up / IDLE_RECORD_BYTES;
	tls->made_up %= IDLE_RECORD_BYTES;
	tls->idle_records -=
	    repaid < tls->idle_records ? (unsigned)repaid : tls->idle_records;
}

/*
 * Did the client end its stream? Behind a user_canceled of TLS 1.3, OpenSSL
 * (3.5) does not say so in SSL_get_error(); a fatal alert, which ends it too,
 * is an error in the queue.
 */
static bool
said_goodbye(const struct tls_stream *tls, int ret)
{
	return (SSL_get_error(tls->ssl, ret) == SSL_ERROR_ZERO_RETURN ||
		((SSL_get_shutdown(tls->ssl) & SSL_RECEIVED_SHUTDOWN) != 0 &&
		    ERR_peek_error() == 0));
}

/* Opens a record. > 0; 0: close_notify; -EAGAIN: none, or one without data;
 * other -errno: the session is of no more use. */
static ssize_t
open_record(struct tls_stream *tls, uint8_t *buf, size_t size)
{
	unsigned before = tls->work;
	size_t sealed = tls->out.end, n;
	int ret = SSL_read_ex(tls->ssl, buf, size, &n);

	if (ret == 1 && tls->broken == 0) {
		if (tls->work >= before + TLS_WORK_IDLE)
			tls->work -= TLS_WORK_IDLE - TLS_WORK_DATA;
		make_up(tls, n);
		return ((ssize_t)n);
	}
	if (tls->broken == 0 && said_goodbye(tls, ret))
		return (0);
	/* Who lost what was sealed knows more than the library. */
	ret = tls->broken != 0 ? tls->broken : tls_result(tls, ret);
	if (ret == -EAGAIN && tls->idle_records > IDLE_RECORDS_MAX)
		ret = -EOVERFLOW;
	if (ret != -EAGAIN) {
		tls->broken = ret;
		/* No alert: Envoy takes one for a clean end. */
		tls->out.end = sealed;
	}
	return (ret);
}

static bool
took_all(const struct tls_stream *tls)
{
	return (tls->received && buffer_len(&tls->in) == 0);
}

/* Behind data: would the library, if it is asked again, only say that it has no
 * bytes? That costs a good part of what a short record does. */
static bool
used_up(const struct tls_stream *tls)
{
	return (
	    took_all(tls) && tls->header == 0 && SSL_pending(tls->ssl) == 0);
}

/* open_record() gave no data, but n. */
static bool
is_over(const struct tls_stream *tls, ssize_t n)
{
	return (n != -EAGAIN || tls_sated(tls) || took_all(tls));
}

/*
 * Opens all records that are there. > 0, 0 or -errno as tls_receive(). The
 * library is asked as often as there may be records in one call, whatever it
 * answers.
 */
static ssize_t
open_records(struct tls_stream *tls, uint8_t *buf, size_t size)
{
	size_t done = 0;
	ssize_t n;
	unsigned i;

	for (i = 0; i < TLS_WORK_MAX; i++) {
		assert(done < size);
		n = open_record(tls, buf + done, size - done);
		if (n > 0)
			done += (size_t)n;
		if (n > 0 ? used_up(tls) : is_over(tls, n))
			return (done > 0 ? (ssize_t)done : n);
	}
	tls->drained = false;
	return (done > 0 ? (ssize_t)done : -EAGAIN);
}

/* The library wants to go on, and takes nothing: it would for ever. */
static bool
stuck(const struct tls_stream *tls)
{
	return (tls->moved == 0 && !tls->drained && !tls->eof &&
		tls->io_error == 0);
}

/*
 * There is nothing to open now: what else is known? An error of the socket,
 * whichever call was told of it, goes before the end of the stream, which the
 * kernel shows once it has told the error; and neither goes before bytes that
 * came earlier.
 */
static int
end_of_input(const struct tls_stream *tls)
{
	if (!tls->drained && !tls->eof && tls->io_error == 0)
		return (-EAGAIN);
	if (tls->io_error != 0)
		return (tls->io_error);
	if (tls->send_error != 0)
		return (tls->send_error);
	if (!tls->eof)
		return (-EAGAIN);
	return (tls->header > 0 ? -ECONNABORTED : -EPIPE);
}

/* > 0; 0; -EAGAIN; other -errno: see tls_receive(). */
static ssize_t
receive(struct tls_stream *tls, uint8_t *buf, size_t size)
{
	unsigned receives = 0;
	ssize_t n;

	assert(size >= tls->context->buffers->size);
	if (tls->broken != 0)
		return (tls->broken);
	if (tls->in.data == NULL &&
	    buffer_lend(tls->context->buffers, &tls->in) != 0)
		return (-ENOMEM);
	tls_enter(tls);
	tls->work = 0;
	/* What an earlier call saw of the socket holds no more. */
	tls->drained = tls->empty = false;
	tls->moved = 0;
	tls->answering = true;
	/* buf holds a chunk's plaintext, the rest of one or a new one. */
	tls->received = buffer_len(&tls->in) > 0;
	while ((n = open_records(tls, buf, size)) == -EAGAIN &&
	       !tls_sated(tls) && !tls->drained && !tls->eof &&
	       tls->io_error == 0 && ++receives < TLS_RECEIVES_MAX)
		/* A chunk can be smaller than a record: epoll will not tell
		 * again of what the socket still holds. */
		tls->received = false;
	/* Nothing behind the client's end, or behind a fault, is opened. */
	if (buffer_len(&tls->in) == 0 || (n <= 0 && n != -EAGAIN))
		buffer_return(tls->context->buffers, &tls->in);
	tls->answering = false;
	/* An answer to a KeyUpdate. */
	(void)tls_flush_out(tls);
	if (n == -EAGAIN && stuck(tls)) {
		tls_set_error(tls, "the TLS library makes no progress");
		n = tls->broken = -EPROTO;
	}
	return (n != -EAGAIN ? n : end_of_input(tls));
}

static size_t
cost_of(const struct tls_stream *tls, size_t len)
{
	size_t cost = (size_t)tls->work * RECORD_COST;

	/* Padding is opened like data. */
	if (cost < tls->moved)
		cost = tls->moved;
	return (cost > len ? cost : len);
}

bool
tls_drained(const struct tls_stream *tls, bool more)
{
	/* What was found behind the data is still to be told. */
	return ((more ? tls->empty : tls->drained) && tls->in.data == NULL &&
		tls->kept == NULL && tls->broken == 0 &&
		(tls->ssl == NULL ||
		    (SSL_get_shutdown(tls->ssl) & SSL_RECEIVED_SHUTDOWN) == 0));
}

struct io
tls_receive(struct tls_stream *tls, uint8_t *buf, size_t size, bool behind)
{
	ssize_t n = receive(tls, buf, size);
	struct io io = { .error = tls->send_error };

	if (n > 0) {
		io.n = (size_t)n;
		io.outcome =
		    !behind && tls_drained(tls, false) ? IO_WAIT_READ : IO_DONE;
	} else if (n == 0) {
		io.outcome = IO_END;
	} else if (n == -EAGAIN) {
		io.outcome = tls_drained(tls, behind) ? IO_WAIT_READ : IO_TURN;
	} else if (n == -EPIPE) {
		io.outcome = IO_CUT;
	} else {
		io = tls_broken(
		    tls, tls->send_error != 0 ? tls->send_error : (int)n);
	}
	io.cost = cost_of(tls, io.n);
	return (io);
}
