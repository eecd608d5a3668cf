/* OpenSSL 3.0 and later: the library of Debian. */
#include <openssl/crypto.h>
#include <openssl/err.h>

#include "common/base/alloc.h"
#include "common/tls/library.h"

/* OpenSSL 3.0 knows nothing of it. */
#ifndef SSL_OP_NO_RX_CERTIFICATE_COMPRESSION
#define SSL_OP_NO_RX_CERTIFICATE_COMPRESSION 0
#endif

int
library_start(void)
{
	/* It may hide from its caller that it got no memory. */
	return (
	    CRYPTO_set_mem_functions(alloc_get, alloc_resize, alloc_free) == 1
		? 0
		: -1);
}

const char *
library_name(void)
{
	return ("OpenSSL");
}

/* Their texts begin with the name. */
const char *
library_running(void)
{
	return (OpenSSL_version(OPENSSL_VERSION));
}

const char *
library_built(void)
{
	return (OPENSSL_VERSION_TEXT);
}

const char *
library_watch(time_t now, char buf[LIBRARY_WATCH_SIZE])
{
	return (NULL);
}

SSL_CTX *
library_context_new(void)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

	if (ctx == NULL)
		return (NULL);
	SSL_CTX_set_options(
	    ctx, SSL_OP_PRIORITIZE_CHACHA |
		     /* Nobody unknown is to have bytes of his unpacked. */
		     SSL_OP_NO_RX_CERTIFICATE_COMPRESSION);
	/* A relay cannot judge whether early data may be replayed: no ticket
	 * invites it. What a client sends on another server's ticket is skipped
	 * up to OpenSSL's default; 0 there (3.0) would end the handshake. */
	SSL_CTX_set_max_early_data(ctx, 0);
	return (ctx);
}

void
library_set_lifetime(SSL_CTX *ctx, long seconds)
{
	SSL_CTX_set_timeout(ctx, seconds);
}

bool
library_prefers_chacha(void)
{
	return (true);
}

/* What its ClientHello may have (3.0) is more than ours may. */
size_t
library_message_max(const SSL_CTX *ctx)
{
	return (0);
}

/*
 * All that a key of ECDSA on these curves signs by, in the order of OpenSSL,
 * which (3.0) walks through the client's list for each of its own: some thirty.
 * The security level goes on to leave out what is too weak.
 */
void
library_sign_by_key(SSL_CTX *ctx)
{
	static const char list[] = "ECDSA+SHA256:ECDSA+SHA384:ECDSA+SHA512:"
				   "ECDSA+SHA224:ECDSA+SHA1";
	static const int curves[] = { NID_X9_62_prime256v1, NID_secp384r1,
		NID_secp521r1 };
	const EVP_PKEY *key = SSL_CTX_get0_privatekey(ctx);
	char name[32];
	size_t i;
	int curve;

	if (key == NULL || library_key_type(key) != EVP_PKEY_EC ||
	    EVP_PKEY_get_group_name(key, name, sizeof(name), NULL) != 1)
		return;
	curve = OBJ_txt2nid(name);
	for (i = 0; i < sizeof(curves) / sizeof(curves[0]); i++)
		if (curve == curves[i])
			/* Without it, all are compared. */
			(void)SSL_CTX_set1_sigalgs_list(ctx, list);
	ERR_clear_error();
}

int
library_key_type(const EVP_PKEY *key)
{
	return (EVP_PKEY_get_base_id(key));
}

bool
library_same_key(const EVP_PKEY *a, const EVP_PKEY *b)
{
	return (EVP_PKEY_eq(a, b) == 1);
}

STACK_OF(SSL_CIPHER) * library_ciphers(SSL *ssl)
{
	return (SSL_get1_supported_ciphers(ssl));
}

bool
library_anonymous(const SSL_CIPHER *cipher)
{
	return (SSL_CIPHER_get_auth_nid(cipher) == NID_auth_null);
}

void
library_shed(SSL *ssl)
{
}

void
library_raise_no_memory(void)
{
	ERR_raise(ERR_LIB_SSL, ERR_R_MALLOC_FAILURE);
}

void
library_raise_version(void)
{
	ERR_raise(ERR_LIB_SSL, SSL_R_UNSUPPORTED_PROTOCOL);
}

/* OpenSSL (3.0) may say so behind what it made of a NULL, or just call it an
 * internal error. */
bool
library_no_memory(unsigned long error, bool missing)
{
	return (ERR_GET_REASON(error) == ERR_R_MALLOC_FAILURE ||
		(missing && ERR_FATAL_ERROR(error)));
}

/* Its security level has seen to it. */
const char *
library_weakness(STACK_OF(X509) * chain)
{
	return (NULL);
}

STACK_OF(X509) * library_full_chain(const SSL *ssl)
{
	return (NULL);
}

/* A session that is resumed gets one. */
void
library_set_tickets(SSL *ssl, unsigned n)
{
	(void)SSL_set_num_tickets(ssl, n);
}

bool
library_reads_certificate(const SSL *ssl)
{
	return (SSL_get_state(ssl) == TLS_ST_SR_CERT);
}

bool
library_faults_certificate(unsigned long error)
{
	return (false);
}

/* 32 in a row, or 5 warnings. */
bool
library_too_many_idle(unsigned long error)
{
	return (ERR_GET_LIB(error) == ERR_LIB_SSL &&
		(ERR_GET_REASON(error) == SSL_R_RECORD_TOO_SMALL ||
		    ERR_GET_REASON(error) == SSL_R_TOO_MANY_WARN_ALERTS));
}

const char *
library_reason(unsigned long error, char buf[LIBRARY_REASON_SIZE])
{
	return (ERR_reason_error_string(error));
}

bool
library_reads_proof(const SSL *ssl)
{
	return (SSL_get_state(ssl) == TLS_ST_SR_CERT_VRFY);
}

bool
library_sent_finished(const SSL *ssl)
{
	unsigned char byte[1];

	return (SSL_get_finished(ssl, byte, sizeof(byte)) > 0);
}

int
library_seal_ticket(SSL *ssl)
{
	return (0);
}
