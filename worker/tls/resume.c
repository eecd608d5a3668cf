/* Decides which sessions a ticket may resume, and which get a ticket. */
#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "worker/tls/state.h"
#include "worker/tls/ticket.h"

/* What a session's ticket has besides the certificate and the note, about. */
#define TICKET_REST 512

/*
 * A ticket comes back in a hello. It has the client's certificate and the note
 * in it, and must leave a good part of limits.client_hello to the rest.
 */
static bool
fits_hello(const struct tls_stream *tls, X509 *leaf, size_t note)
{
	int size = i2d_X509(leaf, NULL);

	return (size > 0 && (uint64_t)size + note + TICKET_REST <=
				tls->context->bounds.hello / 2);
}

int
tls_resume_note(struct tls_stream *tls, STACK_OF(X509) * chain)
{
	uint8_t note[TLS_TICKET_NOTE_MAX];
	size_t len = tls_ticket_note(note, chain, clock_wall() / CLOCK_SEC);

	ERR_clear_error();
	tls->handshake->no_ticket =
	    len == 0 || !fits_hello(tls, sk_X509_value(chain, 0), len);
	/* TLS 1.2 has promised one: see tls_resume_keys(). */
	if (tls->handshake->no_ticket)
		return (SSL_set_num_tickets(tls->ssl, 0) == 1 ? 0 : -ENOMEM);
	free(tls->handshake->note);
	tls->handshake->note = malloc(len);
	if (tls->handshake->note == NULL)
		return (-ENOMEM);
	memcpy(tls->handshake->note, note, len);
	tls->handshake->note_len = len;
	return (0);
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

/* The ticket tells the client how long it is good, and is not good for longer,
 * whatever it says of its session. */
static void
limit(const struct tls_stream *tls, SSL_SESSION *session)
{
	const struct tls_ticket_terms terms = terms_of(tls);
	int64_t left, most = SSL_CTX_get_timeout(tls->context->ctx);
	void *note;
	size_t len;

	if (SSL_SESSION_get0_ticket_appdata(session, &note, &len) != 1 ||
	    note == NULL)
		return;
	left = tls_ticket_left(note, len, &terms);
	if (left > 0)
		(void)SSL_SESSION_set_timeout(
		    session, (long)(left < most ? left : most));
}

/*
 * A resumed session is as old as the one that it resumes: OpenSSL takes its
 * note along.
 */
int
tls_resume_made(SSL *ssl, void *arg)
{
	const struct tls_stream *tls = SSL_get_app_data(ssl);
	SSL_SESSION *session = SSL_get_session(ssl);

	/* Without a note, for want of memory, the ticket is of no use. */
	if (SSL_session_reused(ssl) == 0 && tls->handshake != NULL &&
	    tls->handshake->note != NULL)
		(void)SSL_SESSION_set1_ticket_appdata(
		    session, tls->handshake->note, tls->handshake->note_len);
	limit(tls, session);
	return (1);
}

static bool
may_resume(SSL *ssl, SSL_SESSION *session)
{
	const struct tls_stream *tls = SSL_get_app_data(ssl);
	const struct tls_ticket_terms terms = terms_of(tls);
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

/* As SSL_CTX_get_tlsext_ticket_keys() has them (OpenSSL 3.0). */
struct keys {
	unsigned char name[16], hmac[32], aes[32];
};

static int
start(const struct keys *k, const unsigned char *iv, EVP_CIPHER_CTX *cipher,
    EVP_MAC_CTX *mac, int seal)
{
	char digest[] = "SHA256";
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(
		    OSSL_MAC_PARAM_DIGEST, digest, 0),
		OSSL_PARAM_construct_end(),
	};

	return (EVP_MAC_init(mac, k->hmac, sizeof(k->hmac), params) == 1 &&
			EVP_CipherInit_ex(cipher, EVP_aes_256_cbc(), NULL,
			    k->aes, iv, seal) == 1
		    ? 1
		    : -1);
}

/*
 * Seals and opens tickets as OpenSSL does by itself, but for one thing that
 * it leaves no other way to say: that a client of TLS 1.2, which was promised
 * a ticket before it showed its certificate, gets none (RFC 5077 section 3.3).
 */
int
tls_resume_keys(SSL *ssl, unsigned char *name, unsigned char *iv,
    EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, int seal)
{
	const struct tls_stream *tls = SSL_get_app_data(ssl);
	struct keys k;
	int result = -1;

	if (seal != 0 && (tls->handshake == NULL || tls->handshake->no_ticket))
		return (0);
	if (SSL_CTX_get_tlsext_ticket_keys(tls->context->ctx, &k, sizeof(k)) !=
	    1)
		return (-1);
	if (seal != 0) {
		memcpy(name, k.name, sizeof(k.name));
		if (RAND_bytes(
			iv, EVP_CIPHER_get_iv_length(EVP_aes_256_cbc())) == 1)
			result = start(&k, iv, cipher, mac, seal);
	} else if (CRYPTO_memcmp(name, k.name, sizeof(k.name)) != 0) {
		result = 0;
	} else {
		result = start(&k, iv, cipher, mac, seal);
		/* A ticket of TLS 1.3 is for one use, and brings the next. */
		if (result == 1 && SSL_version(ssl) == TLS1_3_VERSION)
			result = 2;
	}
	OPENSSL_cleanse(&k, sizeof(k));
	return (result);
}
