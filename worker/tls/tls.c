/* Sessions: how they begin, their handshake, what is known of them. */
#include "worker/tls/tls.h"

#include <errno.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/fd.h"
#include "worker/tls/state.h"

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
	if (SSL_CTX_get_verify_mode(ctx) != SSL_VERIFY_NONE)
		SSL_CTX_set_msg_callback(ctx, tls_judge);
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

/* 0; -EAGAIN; -EPIPE: the client ended its stream; other -errno. */
static int
advance(struct tls *tls)
{
	size_t sealed = tls->out.end;
	int ret, error, flushed;

	tls_forget_errors(tls);
	tls->work = 0;
	ret = SSL_accept(tls->ssl);
	/* Who was refused stays so, whatever the library made of it. */
	error = ret == 1 && !tls->refused ? 0 : tls_result(tls, ret);
	if (error == -EPROTO && tls_sent_finished(tls))
		tls->out.end = sealed; /* no alert, as after the handshake */
	else
		tls->alerted = error == -EPROTO;
	if (error == 0)
		keep_ticket(tls);
	/* The alert, if any, is on its way before the caller hears of it. */
	flushed = tls_flush_out(tls);
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

struct io
tls_handshake(struct tls *tls, bool behind)
{
	int error = advance(tls);

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
		return (io_broken(error));
	}
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

bool
tls_silent(const struct tls *tls)
{
	return (tls->hello != NULL && tls->hello->watch.seen == 0);
}

const uint8_t *
tls_server_name(const struct tls *tls, size_t *len)
{
	*len = tls->name_len;
	return (tls->has_name ? tls->name : NULL);
}

bool
tls_verified(const struct tls *tls)
{
	return (SSL_get0_peer_certificate(tls->ssl) != NULL &&
		SSL_get_verify_result(tls->ssl) == X509_V_OK);
}

int
tls_identities(struct tls *tls, const struct identity **names, size_t *n)
{
	const char *why;
	int error = 0;

	/* Resumed: the session has the certificate of the first handshake. */
	if (tls->identity.names == NULL && tls_verified(tls))
		error = tls_identity_read(
		    &tls->identity, SSL_get0_peer_certificate(tls->ssl), &why);
	*names = tls->identity.names;
	*n = tls->identity.n;
	return (error);
}

unsigned
tls_version(const struct tls *tls)
{
	return ((unsigned)SSL_version(tls->ssl));
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
