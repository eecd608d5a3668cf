/*
 * Tickets of AWS-LC, which knows no appdata and has us seal them.
 *
 * ticket: name of the key (16 bytes), nonce (24), sealed: session, note, length
 * of the note (2), certificate (1: the client showed one).
 */
#include <openssl/aead.h>
#include <openssl/err.h>
#include <openssl/mem.h>
#include <openssl/pool.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <openssl/ssl.h>
#include <stdint.h>
#include <string.h>

#include "common/shm/ticket_keys.h"
#include "worker/tls/state.h"
#include "worker/tls/ticket.h"
#include "worker/tls/tickets.h"

#define NONCE_LEN 24
#define TAG_LEN	  16
#define TAIL_LEN  3

/* In front of what is sealed, and authenticated by it. */
struct front {
	uint8_t name[16], nonce[NONCE_LEN];
};

#define OVERHEAD (sizeof(struct front) + TAG_LEN + TAIL_LEN)

static const struct ticket_keys *
keys_of(const SSL *ssl)
{
	const struct tls_stream *tls = SSL_get_app_data(ssl);

	return (tls->context->keys);
}

/*
 * Its nonce is long enough to be drawn anew for each ticket of a key. What both
 * halves of the secret come to is no key that the other library uses.
 */
static bool
start(EVP_AEAD_CTX *aead, const struct ticket_key *k)
{
	uint8_t secret[SHA256_DIGEST_LENGTH];
	bool good;

	EVP_AEAD_CTX_zero(aead);
	SHA256(k->secret, sizeof(k->secret), secret);
	good = EVP_AEAD_CTX_init(aead, EVP_aead_xchacha20_poly1305(), secret,
		   sizeof(secret), TAG_LEN, NULL) == 1;
	OPENSSL_cleanse(secret, sizeof(secret));
	return (good);
}

static size_t
max_overhead(SSL *ssl)
{
	const uint8_t *note;
	size_t len;

	(void)tls_resume_ticket(ssl, &note, &len);
	return (OVERHEAD + len);
}

/* Puts the note and what is behind it to the end of the session. */
static size_t
add_note(uint8_t *end, const uint8_t *note, size_t len, bool certificate)
{
	if (len > 0)
		memcpy(end, note, len);
	end[len] = (uint8_t)(len >> 8);
	end[len + 1] = (uint8_t)len;
	end[len + 2] = certificate;
	return (len + TAIL_LEN);
}

/* An empty ticket is none. */
static int
seal(SSL *ssl, uint8_t *out, size_t *out_len, size_t max_out, const uint8_t *in,
    size_t in_len)
{
	uint8_t *body = out + sizeof(struct front);
	const uint8_t *note;
	size_t len, sealed;
	struct front front;
	struct ticket_key k;
	EVP_AEAD_CTX aead;
	bool good;

	*out_len = 0;
	if (!tls_resume_ticket(ssl, &note, &len) ||
	    !ticket_keys_first(keys_of(ssl), &k))
		return (1);
	if (max_out < in_len + OVERHEAD + len) {
		OPENSSL_cleanse(&k, sizeof(k));
		return (0);
	}
	good = start(&aead, &k) && RAND_bytes(front.nonce, NONCE_LEN) == 1;
	memcpy(front.name, k.name, sizeof(front.name));
	OPENSSL_cleanse(&k, sizeof(k));
	/* They may be the same. */
	memmove(body, in, in_len);
	memcpy(out, &front, sizeof(front));
	in_len += add_note(
	    body + in_len, note, len, SSL_get0_peer_certificates(ssl) != NULL);
	good = good && EVP_AEAD_CTX_seal(&aead, body, &sealed,
			   max_out - sizeof(front), front.nonce, NONCE_LEN,
			   body, in_len, front.name, sizeof(front.name)) == 1;
	EVP_AEAD_CTX_cleanup(&aead);
	if (good)
		*out_len = sizeof(front) + sealed;
	return (good);
}

/* Takes note and tail off what was sealed, of which *len is left. */
static bool
take_note(struct tls_resumed *r, const uint8_t *body, size_t *len)
{
	const uint8_t *tail;

	if (*len < TAIL_LEN)
		return (false);
	*len -= TAIL_LEN;
	tail = body + *len;
	r->len = (size_t)tail[0] << 8 | tail[1];
	r->certificate = tail[2] != 0;
	if (*len < r->len)
		return (false);
	*len -= r->len;
	r->note = r->len > 0 ? body + *len : NULL;
	return (true);
}

static enum ssl_ticket_aead_result_t
open_ticket(SSL *ssl, uint8_t *out, size_t *out_len, size_t max_out,
    const uint8_t *in, size_t in_len)
{
	struct tls_resumed r = { .note = NULL };
	struct front front;
	struct ticket_key k;
	EVP_AEAD_CTX aead;
	bool good;

	if (in_len < OVERHEAD)
		return (ssl_ticket_aead_ignore_ticket);
	memcpy(&front, in, sizeof(front));
	if (!ticket_keys_find(keys_of(ssl), front.name, &k))
		return (ssl_ticket_aead_ignore_ticket);
	good = start(&aead, &k);
	OPENSSL_cleanse(&k, sizeof(k));
	if (!good)
		return (ssl_ticket_aead_error);
	good = EVP_AEAD_CTX_open(&aead, out, out_len, max_out, front.nonce,
		   NONCE_LEN, in + sizeof(front), in_len - sizeof(front),
		   front.name, sizeof(front.name)) == 1;
	EVP_AEAD_CTX_cleanup(&aead);
	ERR_clear_error();
	if (!good || !take_note(&r, out, out_len) ||
	    !tls_resume_allowed(ssl, &r))
		return (ssl_ticket_aead_ignore_ticket);
	return (ssl_ticket_aead_success);
}

int
tickets_set(struct tls_context *c)
{
	static const SSL_TICKET_AEAD_METHOD method = { max_overhead, seal,
		open_ticket };

	SSL_CTX_set_ticket_aead_method(c->ctx, &method);
	return (0);
}

void
tickets_unset(struct tls_context *c)
{
}

/*
 * By itself it keeps the whole chain, sent or not needed, in the session and in
 * its tickets, where OpenSSL keeps the leaf. A session that resumes this one is
 * good for what is left then.
 */
void
tickets_limit(SSL *ssl)
{
	STACK_OF(CRYPTO_BUFFER) *certs =
	    (STACK_OF(CRYPTO_BUFFER) *)SSL_get0_peer_certificates(ssl);
	const uint8_t *note;
	size_t len;
	int64_t left;

	while (certs != NULL && sk_CRYPTO_BUFFER_num(certs) > 1)
		CRYPTO_BUFFER_free(sk_CRYPTO_BUFFER_pop(certs));
	if (!tls_resume_ticket(ssl, &note, &len) || note == NULL)
		return;
	left = tls_resume_left(ssl, note, len);
	if (left > 0)
		(void)SSL_SESSION_set_timeout(
		    SSL_get_session(ssl), (uint32_t)left);
}

/* seal() does it in TLS 1.2. In TLS 1.3 there must be no empty ticket. */
int
tickets_refuse(SSL *ssl)
{
	if (SSL_version(ssl) == TLS1_3_VERSION)
		SSL_set_options(ssl, SSL_OP_NO_TICKET);
	return (0);
}
