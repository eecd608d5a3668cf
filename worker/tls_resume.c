/* Decides which sessions a ticket may resume, and which get a ticket. */
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "worker/tls_state.h"
#include "worker/tls_ticket.h"

/* What a session's ticket has besides the certificate and the note, about. */
#define TICKET_REST 512

/*
 * A ticket comes back in a hello. It has the client's certificate and the note
 * in it, and must leave a good part of limits.client_hello to the rest.
 */
static bool
fits_hello(const struct tls *tls, X509 *leaf, size_t note)
{
	int size = i2d_X509(leaf, NULL);

	return (size > 0 && (uint64_t)size + note + TICKET_REST <=
				tls->context->bounds.hello / 2);
}

int
tls_resume_note(struct tls *tls, STACK_OF(X509) * chain)
{
	uint8_t note[TLS_TICKET_NOTE_MAX];
	size_t len = tls_ticket_note(note, chain, clock_wall() / CLOCK_SEC);

	ERR_clear_error();
	if (len == 0 || !fits_hello(tls, sk_X509_value(chain, 0), len)) {
		/* TLS 1.3; 1.2 has promised one, which will not be taken. */
		return (SSL_set_num_tickets(tls->ssl, 0) == 1 ? 0 : -ENOMEM);
	}
	free(tls->note);
	tls->note = malloc(len);
	if (tls->note == NULL)
		return (-ENOMEM);
	memcpy(tls->note, note, len);
	tls->note_len = len;
	return (0);
}

/*
 * A resumed session is as old as the one that it resumes: OpenSSL takes its
 * note along.
 */
int
tls_resume_made(SSL *ssl, void *arg)
{
	const struct tls *tls = SSL_get_app_data(ssl);

	/* Without a note, for want of memory, the ticket is of no use. */
	if (SSL_session_reused(ssl) == 0 && tls->note != NULL)
		(void)SSL_SESSION_set1_ticket_appdata(
		    SSL_get_session(ssl), tls->note, tls->note_len);
	return (1);
}

static bool
may_resume(SSL *ssl, SSL_SESSION *session)
{
	const struct tls *tls = SSL_get_app_data(ssl);
	const struct tls_ticket_terms terms = {
		.now = clock_wall() / CLOCK_SEC,
		.lifetime = tls->context->lifetime / CLOCK_SEC,
		.store = SSL_CTX_get_cert_store(tls->context->ctx),
	};
	int mode = SSL_get_verify_mode(ssl);
	void *note;
	size_t len;

	if (mode == SSL_VERIFY_NONE)
		return (true);
	if (SSL_SESSION_get0_peer(session) == NULL)
		return ((mode & SSL_VERIFY_FAIL_IF_NO_PEER_CERT) == 0);
	return (SSL_SESSION_get0_ticket_appdata(session, &note, &len) == 1 &&
		note != NULL && tls_ticket_holds(note, len, &terms));
}

SSL_TICKET_RETURN
tls_resume_read(SSL *ssl, SSL_SESSION *session, const unsigned char *name,
    size_t len, SSL_TICKET_STATUS status, void *arg)
{
	bool renew = status == SSL_TICKET_SUCCESS_RENEW;

	if (!renew && status != SSL_TICKET_SUCCESS)
		return (SSL_TICKET_RETURN_IGNORE_RENEW);
	if (!may_resume(ssl, session)) {
		ERR_clear_error();
		return (SSL_TICKET_RETURN_IGNORE_RENEW);
	}
	return (renew ? SSL_TICKET_RETURN_USE_RENEW : SSL_TICKET_RETURN_USE);
}
