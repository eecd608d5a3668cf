/* AWS-LC: OpenSSL's interface at a part of the cost. */
#include <ctype.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/service_indicator.h>
#include <string.h>

#include "common/tls/library.h"

/* Of a handshake without certificates: ssl_max_handshake_message_len(). */
#define MESSAGE_MAX (16 * 1024)

/* Advisories that were read longer ago should be read again: as long as
 * etc/aws-lc/review gives it. */
#define DAYS_FRESH 30
#define DAY	   (24 * 60 * 60)

int
library_start(void)
{
	/* It must not be given an allocator (5.12): it would no longer wipe
	 * what it frees, nor say so when there is no memory. */
	return (0);
}

const char *
library_name(void)
{
	return ("AWS-LC");
}

const char *
library_running(void)
{
	return (awslc_version_string());
}

const char *
library_built(void)
{
	return (AWSLC_VERSION_STRING);
}

/* PINNED, REVIEWED and ADVISORIES are what etc/aws-lc/review knew. */
const char *
library_watch(time_t now, char buf[LIBRARY_WATCH_SIZE])
{
	struct tm day = { 0 };
	size_t len;
	long days;

	if (strcmp(AWSLC_VERSION_NUMBER_STRING, PINNED) != 0) {
		snprintf(buf, LIBRARY_WATCH_SIZE,
		    "not the pinned " PINNED
		    ": nobody has read its advisories");
		return (buf);
	}
	len = (size_t)snprintf(buf, LIBRARY_WATCH_SIZE,
	    "pinned; %s known on " REVIEWED,
	    *ADVISORIES != '\0' ? ADVISORIES : "no advisory");
	if (strptime(REVIEWED, "%Y-%m-%d", &day) == NULL ||
	    len >= LIBRARY_WATCH_SIZE)
		return (buf);
	days = (long)((now - timegm(&day)) / DAY);
	if (days > DAYS_FRESH)
		snprintf(buf + len, LIBRARY_WATCH_SIZE - len, ", %ld days ago",
		    days);
	return (buf);
}

/* As OpenSSL takes them from clients; by itself it takes no Ed25519. */
static bool
set_algorithms(SSL_CTX *ctx)
{
	static const uint16_t algorithms[] = { SSL_SIGN_ECDSA_SECP256R1_SHA256,
		SSL_SIGN_ECDSA_SECP384R1_SHA384,
		SSL_SIGN_ECDSA_SECP521R1_SHA512, SSL_SIGN_ED25519,
		SSL_SIGN_RSA_PSS_RSAE_SHA256, SSL_SIGN_RSA_PSS_RSAE_SHA384,
		SSL_SIGN_RSA_PSS_RSAE_SHA512, SSL_SIGN_RSA_PKCS1_SHA256,
		SSL_SIGN_RSA_PKCS1_SHA384, SSL_SIGN_RSA_PKCS1_SHA512 };

	return (SSL_CTX_set_verify_algorithm_prefs(ctx, algorithms,
		    sizeof(algorithms) / sizeof(algorithms[0])) == 1);
}

/* It speaks neither early data nor compressed certificates unless it is asked
 * to. */
SSL_CTX *
library_context_new(void)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

	if (ctx == NULL)
		return (NULL);
	if (set_algorithms(ctx))
		return (ctx);
	SSL_CTX_free(ctx);
	return (NULL);
}

/* It has another for TLS 1.3. */
void
library_set_lifetime(SSL_CTX *ctx, long seconds)
{
	SSL_CTX_set_timeout(ctx, (uint32_t)seconds);
	SSL_CTX_set_session_psk_dhe_timeout(ctx, (uint32_t)seconds);
}

bool
library_prefers_chacha(void)
{
	return (false);
}

/* A ClientHello may have no more, either (5.12). */
size_t
library_message_max(const SSL_CTX *ctx)
{
	size_t list = SSL_CTX_get_max_cert_list(ctx);

	return ((SSL_CTX_get_verify_mode(ctx) & SSL_VERIFY_PEER) != 0 &&
			list > MESSAGE_MAX
		    ? list
		    : MESSAGE_MAX);
}

/* It looks for the key's by itself. */
void
library_sign_by_key(SSL_CTX *ctx)
{
}

int
library_key_type(const EVP_PKEY *key)
{
	return (EVP_PKEY_id(key));
}

bool
library_same_key(const EVP_PKEY *a, const EVP_PKEY *b)
{
	return (EVP_PKEY_cmp(a, b) == 1);
}

/* All that it lists it speaks. */
STACK_OF(SSL_CIPHER) * library_ciphers(SSL *ssl)
{
	return (sk_SSL_CIPHER_dup(SSL_get_ciphers(ssl)));
}

/* It has none. */
bool
library_anonymous(const SSL_CIPHER *cipher)
{
	return (false);
}

void
library_shed(SSL *ssl)
{
	SSL_set_shed_handshake_config(ssl, 1);
}

void
library_raise_no_memory(void)
{
	OPENSSL_PUT_ERROR(SSL, ERR_R_MALLOC_FAILURE);
}

void
library_raise_version(void)
{
	OPENSSL_PUT_ERROR(SSL, SSL_R_UNSUPPORTED_PROTOCOL);
}

/* It says so itself, and nothing is known of its allocations. */
bool
library_no_memory(unsigned long error, bool missing)
{
	return (ERR_GET_REASON(error) == ERR_R_MALLOC_FAILURE);
}

bool
library_faults_certificate(unsigned long error)
{
	/* It looks at the key's usage by itself, and early. */
	return (ERR_GET_LIB(error) == ERR_LIB_SSL &&
		(ERR_GET_REASON(error) == SSL_R_KEY_USAGE_BIT_INCORRECT ||
		    ERR_GET_REASON(error) == SSL_R_CANNOT_PARSE_LEAF_CERT));
}

/* 32 in a row, 4 warnings, or 32 KeyUpdates. */
bool
library_too_many_idle(unsigned long error)
{
	if (ERR_GET_LIB(error) != ERR_LIB_SSL)
		return (false);
	switch (ERR_GET_REASON(error)) {
	case SSL_R_TOO_MANY_EMPTY_FRAGMENTS:
	case SSL_R_TOO_MANY_KEY_UPDATES:
	case SSL_R_TOO_MANY_WARNING_ALERTS:
		return (true);
	default:
		return (false);
	}
}

/* "NO_SHARED_CIPHER" */
const char *
library_reason(unsigned long error, char buf[LIBRARY_REASON_SIZE])
{
	const char *reason = ERR_reason_error_string(error);
	size_t i;

	/* A fatal close_notify is no alert that is expected. */
	if (error == 0 || reason == NULL ||
	    strcmp(reason, "unknown error") == 0 ||
	    (ERR_GET_LIB(error) == ERR_LIB_SSL &&
		ERR_GET_REASON(error) == SSL_AD_REASON_OFFSET))
		return (NULL);
	for (i = 0; i < LIBRARY_REASON_SIZE - 1 && reason[i] != '\0'; i++)
		buf[i] = reason[i] == '_'
			     ? ' '
			     : (char)tolower((unsigned char)reason[i]);
	buf[i] = '\0';
	return (buf);
}

/* As by OpenSSL's security level 2, Debian's: 112 bits. */
static bool
weak_key(X509 *cert)
{
	const EVP_PKEY *key = X509_get0_pubkey(cert);

	if (key == NULL)
		return (true);
	switch (EVP_PKEY_id(key)) {
	case EVP_PKEY_RSA:
	case EVP_PKEY_RSA_PSS:
		return (EVP_PKEY_bits(key) < 2048);
	case EVP_PKEY_EC:
		return (EVP_PKEY_bits(key) < 224);
	default:
		return (false);
	}
}

static bool
weak_digest(X509 *cert)
{
	int digest;

	return (OBJ_find_sigid_algs(
		    X509_get_signature_nid(cert), &digest, NULL) == 1 &&
		(digest == NID_sha1 || digest == NID_md5 || digest == NID_md4));
}

/* Nobody needs the anchor's own signature. */
const char *
library_weakness(STACK_OF(X509) * chain)
{
	size_t i, n = sk_X509_num(chain);

	for (i = 0; i < n; i++) {
		if (weak_key(sk_X509_value(chain, i)))
			return (i == 0 ? "EE certificate key too weak"
				       : "CA certificate key too weak");
		if (i + 1 < n && weak_digest(sk_X509_value(chain, i)))
			return ("CA signature digest algorithm too weak");
	}
	return (NULL);
}

/* A server has one with the leaf, and one without. */
STACK_OF(X509) * library_full_chain(const SSL *ssl)
{
	return (SSL_get_peer_full_cert_chain(ssl));
}

/* Its numbers for states tell nothing, its words do. */
static bool
is_at(const SSL *ssl, const char *state)
{
	return (strstr(SSL_state_string_long(ssl), state) != NULL);
}

/* It counts by context. Sessions of a worker have their turns one after the
 * other. */
void
library_set_tickets(SSL *ssl, unsigned n)
{
	(void)SSL_CTX_set_num_tickets(SSL_get_SSL_CTX(ssl), n);
}

bool
library_reads_certificate(const SSL *ssl)
{
	return (
	    is_at(ssl, "read_client_certificate") && !library_reads_proof(ssl));
}

bool
library_reads_proof(const SSL *ssl)
{
	return (is_at(ssl, "certificate_verify"));
}

/* It does not tell a Finished of TLS 1.3 (5.12). */
bool
library_sent_finished(const SSL *ssl)
{
	static const char *const behind[] = { "read_second_client_flight",
		"process_end_of_early_data", "read_client_encrypted_extensions",
		"read_client_certificate", "read_channel_id",
		"read_client_finished", "send_new_session_ticket", "done" };
	unsigned char byte[1];
	size_t i;

	if (SSL_version(ssl) != TLS1_3_VERSION)
		return (SSL_get_finished(ssl, byte, sizeof(byte)) > 0);
	if (SSL_in_init(ssl) == 0)
		return (true);
	for (i = 0; i < sizeof(behind) / sizeof(behind[0]); i++)
		if (is_at(ssl, behind[i]))
			return (true);
	return (false);
}

/* It waits for data to send it with. */
int
library_seal_ticket(SSL *ssl)
{
	return (SSL_write(ssl, "", 0) >= 0 ? 0 : -1);
}
