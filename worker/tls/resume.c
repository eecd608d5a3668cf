/* Decides which sessions a ticket may resume, and which get a ticket. */
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/shm/ticket_keys.h"
#include "worker/tls/state.h"
#include "worker/tls/ticket.h"

/* What a session's ticket has besides the certificate and the note, about. */
#define TICKET_REST 512

void
tls_resume_begin(struct tls_stream *tls)
{
	const struct tls_context *c = tls->context;
	struct tls_handshake *hs = tls->handshake;

	hs->ntickets = c->ntickets;
	hs->no_ticket = c->keys == NULL || ticket_keys_count(c->keys) == 0;
	if (hs->no_ticket)
		(void)SSL_set_options(tls->ssl, SSL_OP_NO_TICKET);
}

void
tls_resume_count(struct tls_stream *tls)
{
	const struct tls_handshake *hs = tls->handshake;

	library_set_tickets(tls->ssl, hs->no_ticket ? 0 : hs->ntickets);
}

/*
 * A ticket comes back in a hello. It has the client's certificate and the note
 * in it, and must leave a good part of limits.client_hello to the rest.
 */
static bool
fits_hello(const struct tls_stream *tls, size_t size)
{
	return (size <= tls->context->bounds.hello / 2);
}

/* No more than are kept back until something else is sent; but one. */
static void
fit_kept(struct tls_handshake *hs, size_t size)
{
	while (hs->ntickets > 1 &&
	       hs->ntickets * tls_sealed_max(size) > TLS_TICKET_MAX)
		hs->ntickets--;
}

static int
keep_note(struct tls_handshake *hs, const uint8_t *note, size_t len)
{
	free(hs->note);
	hs->note_len = 0;
	hs->note = malloc(len);
	if (hs->note == NULL)
		return (-ENOMEM);
	memcpy(hs->note, note, len);
	hs->note_len = len;
	return (0);
}

int
tls_resume_note(struct tls_stream *tls, STACK_OF(X509) * chain)
{
	uint8_t note[TLS_TICKET_NOTE_MAX];
	size_t len = tls_ticket_note(note, chain, clock_wall() / CLOCK_SEC);
	struct tls_handshake *hs = tls->handshake;
	int leaf = i2d_X509(sk_X509_value(chain, 0), NULL);
	size_t size = (size_t)leaf + len + TICKET_REST;

	ERR_clear_error();
	if (len == 0 || leaf <= 0 || !fits_hello(tls, size))
		hs->no_ticket = true;
	if (hs->no_ticket)
		return (0);
	fit_kept(hs, size);
	tls_resume_count(tls);
	return (keep_note(hs, note, len));
}

static struct tls_ticket_terms
terms_of(const struct tls_stream *tls)
{
	return ((struct tls_ticket_terms){
	    .now = clock_wall() / CLOCK_SEC,
	    .lifetime = tls->context->lifetime / CLOCK_SEC,
	    .store = SSL_CTX_get_cert_store(tls->context->ctx),
	});
}

int64_t
tls_resume_left(const SSL *ssl, const uint8_t *note, size_t len)
{
	const struct tls_stream *tls = SSL_get_app_data(ssl);
	const struct tls_ticket_terms terms = terms_of(tls);
	int64_t most = SSL_CTX_get_timeout(tls->context->ctx);
	int64_t left = tls_ticket_left(note, len, &terms);

	return (left < most ? left : most);
}

bool
tls_resume_ticket(const SSL *ssl, const uint8_t **note, size_t *len)
{
	const struct tls_stream *tls = SSL_get_app_data(ssl);
	const struct tls_handshake *hs = tls->handshake;

	*note = NULL;
	*len = 0;
	if (hs == NULL || hs->no_ticket)
		return (false);
	*note = hs->note;
	*len = hs->note_len;
	return (true);
}

static bool
allowed(
    const SSL *ssl, const struct tls_stream *tls, const struct tls_resumed *r)
{
	const struct tls_ticket_terms terms = terms_of(tls);
	int mode = SSL_get_verify_mode(ssl);
	bool good = false;

	if (mode == SSL_VERIFY_NONE)
		return (true);
	if (!r->certificate)
		return ((mode & SSL_VERIFY_FAIL_IF_NO_PEER_CERT) == 0);
	/* The ticket of the next session has the same note: it is as old as
	 * the one that it resumes. */
	if (r->note != NULL)
		good = tls_ticket_holds(r->note, r->len, &terms) &&
		       keep_note(tls->handshake, r->note, r->len) == 0;
	ERR_clear_error();
	return (good);
}

/* It has used one up, and gets one. */
bool
tls_resume_allowed(SSL *ssl, const struct tls_resumed *r)
{
	struct tls_stream *tls = SSL_get_app_data(ssl);

	if (!allowed(ssl, tls, r))
		return (false);
	tls->handshake->ntickets = 1;
	tls_resume_count(tls);
	return (true);
}
