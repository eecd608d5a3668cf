/* Tickets of OpenSSL: a note is the session's appdata. */
#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <string.h>

#include "common/shm/ticket_keys.h"
#include "worker/tls/state.h"
#include "worker/tls/tickets.h"

/* The ticket tells the client how long it is good, and is not good for longer,
 * whatever it says of its session. */
static void
limit(const SSL *ssl, SSL_SESSION *session)
{
	void *note = NULL;
	int64_t left;
	size_t len;

	if (SSL_SESSION_get0_ticket_appdata(session, &note, &len) != 1 ||
	    note == NULL)
		return;
	left = tls_resume_left(ssl, note, len);
	if (left > 0)
		(void)SSL_SESSION_set_timeout(session, (long)left);
}

/* A resumed session is as old as the one that it resumes: OpenSSL takes its
 * note along. */
static int
made(SSL *ssl, void *arg)
{
	SSL_SESSION *session = SSL_get_session(ssl);
	const uint8_t *note;
	size_t len;

	/* Without a note, for want of memory, the ticket is of no use. */
	if (SSL_session_reused(ssl) == 0 &&
	    tls_resume_ticket(ssl, &note, &len) && note != NULL)
		(void)SSL_SESSION_set1_ticket_appdata(session, note, len);
	limit(ssl, session);
	return (1);
}

static bool
may_resume(SSL *ssl, SSL_SESSION *session)
{
	struct tls_resumed r = {
		.certificate = SSL_SESSION_get0_peer(session) != NULL,
	};
	void *note = NULL;

	if (SSL_SESSION_get0_ticket_appdata(session, &note, &r.len) == 1)
		r.note = note;
	return (tls_resume_allowed(ssl, &r));
}

static SSL_TICKET_RETURN
read_ticket(SSL *ssl, SSL_SESSION *session, const unsigned char *name,
    size_t len, SSL_TICKET_STATUS status, void *arg)
{
	bool renew = status == SSL_TICKET_SUCCESS_RENEW;

	if ((!renew && status != SSL_TICKET_SUCCESS) ||
	    !may_resume(ssl, session))
		return (SSL_TICKET_RETURN_IGNORE_RENEW);
	return (renew ? SSL_TICKET_RETURN_USE_RENEW : SSL_TICKET_RETURN_USE);
}

/* The two halves of a key's secret. */
#define AES_OF(key)  ((key)->secret)
#define HMAC_OF(key) ((key)->secret + HALF)
#define HALF	     32

_Static_assert(sizeof(((struct ticket_key *)0)->secret) == 2 * HALF, "halves");

static bool
start_mac(EVP_MAC_CTX *mac, const struct ticket_key *k)
{
	char digest[] = "SHA256";
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(
		    OSSL_MAC_PARAM_DIGEST, digest, 0),
		OSSL_PARAM_construct_end(),
	};

	return (EVP_MAC_init(mac, HMAC_OF(k), HALF, params) == 1);
}

/*
 * Seals and opens tickets as OpenSSL does by itself, but for one thing that
 * it leaves no other way to say: that a client of TLS 1.2, which was promised
 * a ticket before it showed its certificate, gets none (RFC 5077 section 3.3).
 */
static int
set_keys(SSL *ssl, unsigned char *name, unsigned char *iv,
    EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, int seal)
{
	const struct tls_stream *tls = SSL_get_app_data(ssl);
	const EVP_CIPHER *aes = tls->context->tickets;
	const uint8_t *note;
	size_t note_len;
	struct ticket_key k;
	int result = -1;

	if (seal != 0 && !tls_resume_ticket(ssl, &note, &note_len))
		return (0);
	if (!(seal != 0 ? ticket_keys_first(tls->context->keys, &k)
			: ticket_keys_find(tls->context->keys, name, &k)))
		return (0);
	if (seal != 0)
		memcpy(name, k.name, sizeof(k.name));
	if ((seal == 0 || RAND_bytes(iv, EVP_CIPHER_get_iv_length(aes)) == 1) &&
	    start_mac(mac, &k) &&
	    EVP_CipherInit_ex(cipher, aes, NULL, AES_OF(&k), iv, seal) == 1)
		/* A ticket of TLS 1.3 is for one use, and brings the next. */
		result =
		    seal == 0 && SSL_version(ssl) == TLS1_3_VERSION ? 2 : 1;
	OPENSSL_cleanse(&k, sizeof(k));
	return (result);
}

/* What EVP_aes_256_cbc() stands for is looked up by name whenever it is used
 * (OpenSSL 3.0); this once. */
int
tickets_set(struct tls_context *c)
{
	EVP_CIPHER *aes = EVP_CIPHER_fetch(NULL, "AES-256-CBC", NULL);

	c->tickets = aes;
	return (
	    aes != NULL &&
		    SSL_CTX_set_session_ticket_cb(
			c->ctx, made, read_ticket, NULL) == 1 &&
		    SSL_CTX_set_tlsext_ticket_key_evp_cb(c->ctx, set_keys) == 1
		? 0
		: -ENOMEM);
}

void
tickets_unset(struct tls_context *c)
{
	EVP_CIPHER_free(c->tickets);
}

/* made() does it, and tls_forget_certificates(). */
void
tickets_limit(SSL *ssl)
{
}

/* set_keys() does it in TLS 1.2. */
int
tickets_refuse(SSL *ssl)
{
	return (SSL_set_num_tickets(ssl, 0) == 1 ? 0 : -ENOMEM);
}
