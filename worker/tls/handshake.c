/* How sessions begin: contexts, the handshake, and what is known by it. */
#include "worker/tls/handshake.h"

#include <errno.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/fd.h"
#include "worker/tls/state.h"
#include "worker/tls/tickets.h"

/* The library has its turn so often in one call: for two hellos, and for some
 * records that may stand between them. */
#define STEPS_MAX 8

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
	c->message = malloc(bounds->hello);
	if (c->message == NULL || tls_bio_new(c) != 0 ||
	    intake_room_init(&c->room, bounds->hello) != 0) {
		tls_context_free(c);
		return (-ENOMEM);
	}
	SSL_CTX_set_cert_verify_callback(ctx, tls_verify, NULL);
	if (SSL_CTX_get_verify_mode(ctx) != SSL_VERIFY_NONE)
		SSL_CTX_set_msg_callback(ctx, tls_judge);
	if (tickets_set(c) != 0) {
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
tls_context_tickets(
    struct tls_context *c, const struct ticket_keys *keys, unsigned n)
{
	c->keys = keys;
	c->ntickets = n;
}

void
tls_context_free(struct tls_context *c)
{
	if (c == NULL)
		return;
	tickets_unset(c);
	BIO_free(c->bio);
	BIO_meth_free(c->method);
	intake_room_fini(&c->room);
	free(c->message);
	free(c);
}

int
tls_handshake_new(
    struct tls_handshake **out, struct tls_context *context, int fd, void *arg)
{
	struct tls_handshake *hs = calloc(1, sizeof(*hs));

	if (hs == NULL)
		return (-ENOMEM);
	hs->arg = arg;
	hs->silent = true;
	hs->hello = (struct hello){ .max = context->bounds.hello,
		.minor = TLS1_2_VERSION & UINT8_MAX,
		.awaited = true };
	if (tls_stream_new(&hs->stream, hs, context, fd) != 0) {
		tls_handshake_free(hs);
		return (-ENOMEM);
	}
	*out = hs;
	return (0);
}

void
tls_handshake_free(struct tls_handshake *hs)
{
	if (hs == NULL)
		return;
	tls_stream_free(hs->stream);
	tls_identity_free(&hs->identity);
	intake_free(&hs->in);
	free(hs->note);
	free(hs->name);
	free(hs);
}

struct tls_stream *
tls_handshake_take(struct tls_handshake *hs)
{
	struct tls_stream *stream = hs->stream;

	tls_forget_certificates(stream);
	stream->handshake = NULL;
	stream->kept = hs->in.kept;
	stream->kept_len = intake_len(&hs->in);
	hs->in.kept = NULL;
	hs->stream = NULL;
	tls_handshake_free(hs);
	return (stream);
}

/*
 * After a TLS 1.3 handshake all that is sealed is our tickets. They are not
 * sent yet: a client that only writes would close with unread bytes, to which
 * its kernel has a reset for an answer, and what was on its way would be lost.
 * Where they cannot be kept they go at once.
 */
static void
keep_ticket(struct tls_stream *tls)
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

/* Lets the library go on with what it may have, and sends what it answers. 0;
 * -EAGAIN; other -errno. */
static int
run_library(struct tls_stream *tls)
{
	struct tls_handshake *hs = tls->handshake;
	size_t sealed = tls->out.end;
	int ret, error, flushed;

	if (tls->ssl == NULL && tls_stream_begin(tls) != 0)
		return (-ENOMEM);
	if (hs->hello.behind)
		hs->in.may = hs->in.end;
	tls_enter(tls);
	tls_resume_count(tls);
	ret = SSL_accept(tls->ssl);
	/* Who was refused stays so, whatever the library made of it. */
	error = ret == 1 && !hs->refused ? 0 : tls_result(tls, ret);
	if (error == -EPROTO && tls_sent_finished(tls))
		tls->out.end = sealed; /* no alert, as after the handshake */
	else
		hs->alerted = error == -EPROTO;
	if (error == 0)
		error = library_seal_ticket(tls->ssl) == 0
			    ? 0
			    : tls_result(tls, -1);
	if (error == 0)
		keep_ticket(tls);
	else if (error == -EAGAIN)
		tls_hello_next(tls);
	/* The alert, if any, is on its way before the caller hears of it. */
	flushed = tls_flush_out(tls);
	if (error != 0 && error != -EAGAIN)
		return (error);
	return (flushed != 0 && flushed != -EAGAIN ? flushed : error);
}

/* Goes as far as what has come allows. 0; -EAGAIN; other -errno. */
static int
use_intake(struct tls_stream *tls, bool behind)
{
	struct tls_handshake *hs = tls->handshake;
	int error = 0, i;

	for (i = 0; i < STEPS_MAX; i++) {
		if (hs->hello.awaited && (error = tls_hello_take(tls)) != 0)
			return (error);
		/* Nobody is left to finish what would be begun now. */
		if (tls->ssl == NULL && behind)
			return (-EPIPE);
		error = run_library(tls);
		if (error != -EAGAIN || tls_unsent(tls) || tls_sated(tls))
			return (error);
		if (intake_len(&hs->in) == 0 ||
		    (hs->hello.behind && hs->in.may == hs->in.end))
			return (error);
	}
	/* Not two hellos, but what may stand between them: others first. */
	tls->work = TLS_WORK_MAX;
	tls->drained = tls->empty = false;
	return (-EAGAIN);
}

static void
receive(struct tls_stream *tls)
{
	struct tls_handshake *hs = tls->handshake;
	bool full;
	ssize_t n =
	    intake_receive(&hs->in, &tls->context->room, tls->fd, &full);

	tls_received(tls, n, full);
	if (n > 0)
		hs->silent = false;
}

/* Can it go on with what it has? Else it waits for bytes. */
static bool
has_work(const struct tls_stream *tls)
{
	return (intake_len(&tls->handshake->in) > 0 || tls_unsent(tls) ||
		(tls->ssl != NULL && !SSL_want_read(tls->ssl)));
}

/* One receive at most, and only where what came before does not do. 0; -EAGAIN;
 * -EPIPE: the client ended its stream; other -errno. */
static int
advance(struct tls_stream *tls, bool behind)
{
	int error = -EAGAIN;

	tls->work = 0;
	/* What an earlier call saw of the socket holds no more. */
	tls->drained = tls->empty = false;
	intake_open(&tls->handshake->in, &tls->context->room);
	if (has_work(tls))
		error = use_intake(tls, behind);
	if (error != -EAGAIN || tls_unsent(tls) || tls_sated(tls))
		return (error);
	receive(tls);
	if (tls->io_error != 0)
		return (tls->io_error);
	if (tls->eof)
		return (-EPIPE);
	return (tls->empty ? -EAGAIN : use_intake(tls, behind));
}

struct io
tls_handshake_run(struct tls_handshake *hs, bool behind)
{
	struct tls_stream *tls = hs->stream;
	int error = advance(tls, behind), kept = intake_close(&hs->in);
	struct io io;

	if (kept != 0 && (error == 0 || error == -EAGAIN))
		error = kept;

	switch (error) {
	case 0:
		return (io_outcome(IO_DONE));
	case -EPIPE:
		return (io_outcome(IO_CUT));
	case -EAGAIN:
		if (tls_unsent(tls))
			return (io_outcome(IO_WAIT_WRITE));
		return (io_outcome(
		    tls_drained(tls, behind) ? IO_WAIT_READ : IO_TURN));
	default:
		io = io_broken(error);
		io.why = tls->error;
		return (io);
	}
}

bool
tls_handshake_alerted(const struct tls_handshake *hs)
{
	/* That ends it without the library's knowledge. */
	return (hs->alerted && hs->failure != REASON_HANDSHAKE_TOO_BIG);
}

bool
tls_handshake_left(const struct tls_handshake *hs)
{
	return (hs->left);
}

enum reason
tls_handshake_failure(const struct tls_handshake *hs)
{
	return (
	    hs->failure != REASON_NONE ? hs->failure : REASON_TLS_HANDSHAKE);
}

bool
tls_handshake_drained(const struct tls_handshake *hs, bool behind)
{
	return (behind ? hs->stream->empty : hs->stream->drained);
}

bool
tls_handshake_silent(const struct tls_handshake *hs)
{
	return (hs->silent);
}

bool
tls_handshake_verified(const struct tls_handshake *hs)
{
	SSL *ssl = hs->stream->ssl;

	return (SSL_get0_peer_certificate(ssl) != NULL &&
		SSL_get_verify_result(ssl) == X509_V_OK);
}

int
tls_handshake_identities(struct tls_handshake *hs,
    const struct identity **names, size_t *n, const char **why)
{
	int error = 0;

	*why = NULL;
	/* Resumed: the session has the certificate of the first handshake. */
	if (hs->identity.names == NULL && tls_handshake_verified(hs))
		error = tls_identity_read(&hs->identity,
		    SSL_get0_peer_certificate(hs->stream->ssl), why);
	*names = hs->identity.names;
	*n = hs->identity.n;
	return (error);
}

unsigned
tls_handshake_version(const struct tls_handshake *hs)
{
	return ((unsigned)SSL_version(hs->stream->ssl));
}

const char *
tls_handshake_cipher(const struct tls_handshake *hs)
{
	return (SSL_get_cipher_name(hs->stream->ssl));
}

bool
tls_handshake_resumed(const struct tls_handshake *hs)
{
	return (SSL_session_reused(hs->stream->ssl) == 1);
}
