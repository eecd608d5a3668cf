#include <assert.h>
#include <errno.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "common/alloc.h"
#include "common/fd.h"
#include "worker/tls_state.h"

/* How many records without data may come before data makes up for them. Honest
 * peers send a KeyUpdate after gigabytes (RFC 8446 section 5.5). */
#define IDLE_RECORDS_MAX  256
#define IDLE_RECORD_BYTES 1024

/* What a record costs of a turn's budget, whatever is in it. */
#define RECORD_COST 1024

#define ERROR_SIZE  128

static void
set_error(struct tls *tls, const char *text)
{
	free(tls->error);
	tls->error = strdup(text); /* NULL reads as "" */
}

/* What an error of OpenSSL in the handshake means; NONE: nothing special. */
static enum reason
handshake_reason(const struct tls *tls, unsigned long e)
{
	bool in_certificate = SSL_get_state(tls->ssl) == TLS_ST_SR_CERT;

	if (ERR_GET_LIB(e) != ERR_LIB_SSL)
		return (REASON_NONE);
	switch (ERR_GET_REASON(e)) {
	case SSL_R_UNSUPPORTED_PROTOCOL:
	case SSL_R_UNKNOWN_PROTOCOL:
	case SSL_R_VERSION_TOO_LOW:
	case SSL_R_WRONG_SSL_VERSION:
	case SSL_R_WRONG_VERSION_NUMBER:
		return (REASON_TLS_VERSION);
	case SSL_R_CERTIFICATE_VERIFY_FAILED:
	case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
		return (REASON_CLIENT_CERTIFICATE);
	case SSL_R_EXCESSIVE_MESSAGE_SIZE:
		/* The master has set the bound for a chain to the same. */
		return (
		    in_certificate ? REASON_HANDSHAKE_TOO_BIG : REASON_NONE);
	default:
		return (REASON_NONE);
	}
}

/* Before a call of which result() is to find the cause. */
static void
forget_errors(struct tls *tls)
{
	ERR_clear_error();
	tls->context->failures = alloc_failures();
}

/*
 * Takes e and all that is left in OpenSSL's queue. Was memory missing? OpenSSL
 * (3.0) may say so behind what it made of a NULL, or just call it an internal
 * error.
 */
static bool
take_no_memory(const struct tls *tls, unsigned long e)
{
	bool found = false;
	bool missing = alloc_failures() != tls->context->failures;

	for (; e != 0; e = ERR_get_error())
		found |= ERR_GET_REASON(e) == ERR_R_MALLOC_FAILURE ||
			 (missing && ERR_FATAL_ERROR(e));
	return (found);
}

/* Takes the earliest error of OpenSSL's queue, which is the cause: -ENOMEM, or
 * -EPROTO with its text. */
static int
take_error(struct tls *tls)
{
	unsigned long e = ERR_get_error();
	const char *text = ERR_reason_error_string(e);
	long verified = SSL_get_verify_result(tls->ssl);

	if (tls->hello != NULL && tls->failure == REASON_NONE)
		tls->failure = tls->refused ? REASON_CLIENT_CERTIFICATE
					    : handshake_reason(tls, e);
	if (tls->failure == REASON_CLIENT_CERTIFICATE && verified != X509_V_OK)
		text = tls->unverified != NULL
			   ? tls->unverified
			   : X509_verify_cert_error_string(verified);
	if (take_no_memory(tls, e))
		return (-ENOMEM);
	set_error(tls, text != NULL ? text : "TLS library error");
	return (-EPROTO);
}

int
tls_context_new(struct tls_context **out, struct ssl_ctx_st *ctx,
    const struct tls_bounds *bounds, struct buffers *buffers,
    tls_hello_cb *hello)
{
	struct tls_context *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return (-ENOMEM);
	*c = (struct tls_context){ .ctx = ctx,
		.bounds = *bounds,
		.buffers = buffers,
		.hello = hello };
	c->bio = tls_bio_new();
	if (c->bio == NULL) {
		tls_context_free(c);
		return (-ENOMEM);
	}
	SSL_CTX_set_client_hello_cb(ctx, tls_hello_read, NULL);
	SSL_CTX_set_cert_verify_callback(ctx, tls_verify, NULL);
	if (SSL_CTX_set_session_ticket_cb(
		ctx, tls_resume_made, tls_resume_read, NULL) != 1 ||
	    SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx, tls_resume_keys) != 1) {
		tls_context_free(c);
		return (-ENOMEM);
	}
	*out = c;
	return (0);
}

void
tls_context_trust(struct tls_context *c, int64_t lifetime)
{
	c->lifetime = lifetime;
}

void
tls_context_free(struct tls_context *c)
{
	if (c == NULL)
		return;
	BIO_meth_free(c->bio);
	free(c);
}

size_t
tls_slack(size_t chunk)
{
	/* A ticket, the chunk, answers, an alert or a KeyUpdate of our own. */
	size_t sealed = TLS_TICKET_MAX + tls_sealed_max(chunk) - chunk +
			TLS_ANSWERS_MAX + tls_sealed_max(TLS_FRAGMENT_MIN);
	size_t opened = tls_sealed_max(TLS_FRAGMENT_MAX);

	return (sealed > opened ? sealed : opened);
}

int
tls_new(struct tls **out, struct tls_context *context, int fd, void *arg)
{
	struct tls *tls = calloc(1, sizeof(*tls));
	BIO *bio;

	if (tls == NULL)
		return (-ENOMEM);
	*tls = (struct tls){ .context = context, .fd = fd, .arg = arg };
	tls->hello = calloc(1, sizeof(*tls->hello));
	tls->ssl = SSL_new(context->ctx);
	bio = BIO_new(context->bio);
	if (tls->hello == NULL || tls->ssl == NULL || bio == NULL ||
	    SSL_set_app_data(tls->ssl, tls) != 1) {
		BIO_free(bio);
		tls_free(tls);
		ERR_clear_error();
		return (-ENOMEM);
	}
	tls->hello->max = context->bounds.hello;
	BIO_set_data(bio, tls);
	BIO_set_init(bio, 1);
	SSL_set_bio(tls->ssl, bio, bio);
	SSL_set_accept_state(tls->ssl);
	/* Our BIO takes a whole chunk, so one write need not be cut into
	 * several, each with buffers of its own. */
	SSL_clear_mode(tls->ssl, SSL_MODE_ENABLE_PARTIAL_WRITE);
	*out = tls;
	return (0);
}

void
tls_free(struct tls *tls)
{
	if (tls == NULL)
		return;
	SSL_free(tls->ssl);
	buffer_return(tls->context->buffers, &tls->in);
	buffer_return(tls->context->buffers, &tls->out);
	free(tls->hello);
	free(tls->ticket);
	tls_identity_free(&tls->identity);
	free(tls->note);
	free(tls->name);
	free(tls->error);
	free(tls);
}

/* EPIPE is what the kernel says once somebody was told what has happened; to
 * our callers it would be the end of a stream. */
static int
send_failed(struct tls *tls, int error)
{
	if (error == EAGAIN)
		return (-EAGAIN);
	if (tls->send_error == 0)
		tls->send_error = error == EPIPE && tls->io_error != 0
				      ? tls->io_error
				      : fd_connection_error(error);
	return (tls->send_error);
}

int
tls_flush(struct tls *tls)
{
	struct buffer *out = &tls->out;
	ssize_t n;

	while (buffer_len(out) > 0) {
		n = fd_send(tls->fd, out->data + out->start, buffer_len(out));
		if (n < 0)
			return (send_failed(tls, (int)-n));
		out->start += (size_t)n;
	}
	buffer_return(tls->context->buffers, out);
	tls->answers = 0;
	return (0);
}

int
tls_socket_error(const struct tls *tls)
{
	return (tls->send_error);
}

bool
tls_unsent(const struct tls *tls)
{
	return (tls->out.data != NULL);
}

/* What an SSL_* call that did not succeed means to our callers. */
static int
result(struct tls *tls, int ret)
{
	switch (SSL_get_error(tls->ssl, ret)) {
	case SSL_ERROR_WANT_READ:
	case SSL_ERROR_WANT_WRITE:
		return (-EAGAIN);
	default:
		if (tls->io_error != 0)
			return (tls->io_error);
		return (take_error(tls));
	}
}

/*
 * After a TLS 1.3 handshake all that is sealed is our ticket. It is not sent
 * yet: a client that only writes would close with unread bytes, to which its
 * kernel has a reset for an answer, and what was on its way would be lost.
 * Where it cannot be kept it goes at once.
 */
static void
keep_ticket(struct tls *tls)
{
	size_t len = buffer_len(&tls->out);

	if (SSL_version(tls->ssl) < TLS1_3_VERSION || len == 0 ||
	    len > TLS_TICKET_MAX)
		return;
	tls->ticket = malloc(len);
	if (tls->ticket == NULL)
		return;
	memcpy(tls->ticket, tls->out.data + tls->out.start, len);
	tls->ticket_len = len;
	buffer_return(tls->context->buffers, &tls->out);
}

void
tls_part(struct tls *tls)
{
	if (tls->ticket == NULL || tls->io_error != 0)
		return;
	(void)fd_send(tls->fd, tls->ticket, tls->ticket_len);
	free(tls->ticket);
	tls->ticket = NULL;
}

int
tls_handshake(struct tls *tls)
{
	size_t sealed = tls->out.end;
	int ret, error, flushed;

	forget_errors(tls);
	tls->work = 0;
	ret = SSL_accept(tls->ssl);
	error = ret == 1 ? 0 : result(tls, ret);
	if (error == -EPROTO && tls_sent_finished(tls))
		tls->out.end = sealed; /* no alert, as after the handshake */
	else
		tls->alerted = error == -EPROTO;
	if (error == 0)
		keep_ticket(tls);
	/* The alert, if any, is on its way before the caller hears of it. */
	flushed = tls_flush(tls);
	if (error == -EPROTO && tls->failure == REASON_NONE && tls->eof)
		error = -EPIPE;
	if (error != 0 && error != -EAGAIN)
		return (error);
	if (flushed != 0 && flushed != -EAGAIN)
		return (flushed);
	if (error == 0) {
		free(tls->hello);
		tls->hello = NULL;
		free(tls->note);
		tls->note = NULL;
	}
	return (error);
}

bool
tls_alerted(const struct tls *tls)
{
	/* Those ended it before OpenSSL saw the bytes. */
	return (tls->alerted && tls->failure != REASON_NOT_TLS &&
		tls->failure != REASON_CLIENT_HELLO_TOO_BIG &&
		tls->failure != REASON_HANDSHAKE_TOO_BIG);
}

enum reason
tls_failure(const struct tls *tls)
{
	return (
	    tls->failure != REASON_NONE ? tls->failure : REASON_TLS_HANDSHAKE);
}

/* A record with data is none without; and enough data makes up for one. */
static void
make_up(struct tls *tls, size_t n)
{
	size_t repaid;

	tls->made_up += n;
	repaid = 1 + tls->made_up / IDLE_RECORD_BYTES;
	tls->made_up %= IDLE_RECORD_BYTES;
	tls->idle_records -=
	    repaid < tls->idle_records ? (unsigned)repaid : tls->idle_records;
}

/* Opens a record. > 0; 0: close_notify; -EAGAIN: none, or one without data;
 * other -errno: the session is of no more use. */
static ssize_t
open_record(struct tls *tls, uint8_t *buf, size_t size)
{
	unsigned before = tls->work;
	size_t sealed = tls->out.end, n;
	int ret = SSL_read_ex(tls->ssl, buf, size, &n);

	if (ret == 1) {
		if (tls->work >= before + TLS_WORK_IDLE)
			tls->work -= TLS_WORK_IDLE - TLS_WORK_DATA;
		make_up(tls, n);
		return ((ssize_t)n);
	}
	if (SSL_get_error(tls->ssl, ret) == SSL_ERROR_ZERO_RETURN)
		return (0);
	ret = result(tls, ret);
	if (ret == -EAGAIN && tls->idle_records > IDLE_RECORDS_MAX)
		ret = -EOVERFLOW;
	if (ret != -EAGAIN) {
		tls->broken = ret;
		/* No alert: Envoy takes one for a clean end. */
		tls->out.end = sealed;
	}
	return (ret);
}

/*
 * Opens all records that are there. > 0, 0 or -errno as tls_receive(). The
 * library is asked as often as there may be records in one call, whatever it
 * answers.
 */
static ssize_t
open_records(struct tls *tls, uint8_t *buf, size_t size)
{
	size_t done = 0;
	ssize_t n;
	unsigned i;

	for (i = 0; i < TLS_WORK_MAX; i++) {
		assert(done < size);
		n = open_record(tls, buf + done, size - done);
		if (n > 0)
			done += (size_t)n;
		else if (n != -EAGAIN || tls_sated(tls) ||
			 (buffer_len(&tls->in) == 0 && tls->starved))
			return (done > 0 ? (ssize_t)done : n);
	}
	tls->drained = false;
	return (done > 0 ? (ssize_t)done : -EAGAIN);
}

/* The library wants to go on, and takes nothing: it would for ever. */
static bool
stuck(const struct tls *tls)
{
	return (
	    !tls->moved && !tls->drained && !tls->eof && tls->io_error == 0);
}

/*
 * There is nothing to open now: what else is known? An error of the socket,
 * whichever call was told of it, goes before the end of the stream, which the
 * kernel shows once it has told the error; and neither goes before bytes that
 * came earlier.
 */
static int
end_of_input(const struct tls *tls)
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

ssize_t
tls_receive(struct tls *tls, uint8_t *buf, size_t size)
{
	unsigned receives = 0;
	ssize_t n;

	assert(size >= tls->context->buffers->size);
	if (tls->broken != 0)
		return (tls->broken);
	if (tls->in.data == NULL &&
	    buffer_lend(tls->context->buffers, &tls->in) != 0)
		return (-ENOMEM);
	forget_errors(tls);
	tls->work = 0;
	/* What an earlier call saw of the socket holds no more. */
	tls->drained = tls->moved = false;
	tls->answering = true;
	/* buf holds a chunk's plaintext, the rest of one or a new one. */
	tls->starved = buffer_len(&tls->in) > 0;
	while ((n = open_records(tls, buf, size)) == -EAGAIN &&
	       !tls_sated(tls) && !tls->drained && !tls->eof &&
	       tls->io_error == 0 && ++receives < TLS_RECEIVES_MAX)
		/* A chunk can be smaller than a record: epoll will not tell
		 * again of what the socket still holds. */
		tls->starved = false;
	/* Nothing behind the client's end, or behind a fault, is opened. */
	if (buffer_len(&tls->in) == 0 || (n <= 0 && n != -EAGAIN))
		buffer_return(tls->context->buffers, &tls->in);
	tls->answering = false;
	/* An answer to a KeyUpdate. */
	(void)tls_flush(tls);
	if (n == -EAGAIN && stuck(tls))
		n = tls->broken = -EPROTO;
	return (n != -EAGAIN ? n : end_of_input(tls));
}

size_t
tls_cost(const struct tls *tls, size_t len)
{
	size_t cost = (size_t)tls->work * RECORD_COST;

	return (cost > len ? cost : len);
}

bool
tls_drained(const struct tls *tls)
{
	/* What was found behind the data is still to be told. */
	return (tls->drained && tls->in.data == NULL && tls->broken == 0 &&
		(SSL_get_shutdown(tls->ssl) & SSL_RECEIVED_SHUTDOWN) == 0);
}

ssize_t
tls_send(struct tls *tls, const uint8_t *buf, size_t len)
{
	size_t n;
	int ret;

	assert(len > 0 && len <= tls->context->buffers->chunk);
	assert(TLS_TICKET_MAX + tls_sealed_max(len) <=
	       tls->context->buffers->size);
	if (tls_unsent(tls))
		return (-EAGAIN);
	forget_errors(tls);
	ret = SSL_write_ex(tls->ssl, buf, len, &n);
	if (ret != 1) {
		ret = result(tls, ret);
		/* An empty block takes a chunk: see tls_slack(). */
		return (ret == -EAGAIN ? -EPROTO : ret);
	}
	assert(n == len);
	ret = tls_flush(tls);
	if (ret != 0 && ret != -EAGAIN)
		return (ret);
	return ((ssize_t)len);
}

int
tls_finish(struct tls *tls)
{
	int ret;

	ret = tls_flush(tls);
	if (tls->finished || ret != 0)
		return (ret);
	forget_errors(tls);
	/* Once only: a second call would read. */
	ret = SSL_shutdown(tls->ssl);
	tls->finished = true;
	if (ret < 0) {
		ret = result(tls, ret);
		return (ret == -EAGAIN ? -EPROTO : ret);
	}
	tls->goodbye = buffer_len(&tls->out);
	return (tls_flush(tls));
}

bool
tls_silent(const struct tls *tls)
{
	return (tls->hello != NULL && tls->hello->watch.seen == 0);
}

size_t
tls_goodbye(const struct tls *tls)
{
	return (tls->goodbye);
}

const uint8_t *
tls_server_name(const struct tls *tls, size_t *len)
{
	*len = tls->name_len;
	return (tls->has_name ? tls->name : NULL);
}

int
tls_identities(struct tls *tls, const struct identity **names, size_t *n)
{
	X509 *cert = SSL_get0_peer_certificate(tls->ssl);
	const char *why;
	int error = 0;

	/* Resumed: the session has the certificate of the first handshake. */
	if (tls->identity.names == NULL && cert != NULL &&
	    SSL_get_verify_result(tls->ssl) == X509_V_OK)
		error = tls_identity_read(&tls->identity, cert, &why);
	*names = tls->identity.names;
	*n = tls->identity.n;
	return (error);
}

const char *
tls_version(const struct tls *tls)
{
	return (SSL_get_version(tls->ssl));
}

const char *
tls_cipher(const struct tls *tls)
{
	return (SSL_get_cipher_name(tls->ssl));
}

bool
tls_resumed(const struct tls *tls)
{
	return (SSL_session_reused(tls->ssl) == 1);
}

const char *
tls_error(const struct tls *tls)
{
	return (tls->error != NULL ? tls->error : "");
}
