/* Errors of the TLS library: from its queue to an -errno and a text. */
#include <errno.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/tls/library.h"
#include "worker/tls/state.h"

/* More than OpenSSL keeps. */
#define ERRORS_MAX 64

/* Room for what we say of an error. */
#define TEXT_SIZE 160

void
tls_set_error(struct tls_stream *tls, const char *text)
{
	free(tls->error);
	tls->error = strdup(text); /* NULL reads as "" */
}

/*
 * The client's certificate, or its proof that it has the key, was being looked
 * at when the library met that error: is it the fault of what the client sent
 * there? Errors of the record layer are not.
 */
static bool
blames_certificate(const SSL *ssl, unsigned long e)
{
	if (!library_reads_certificate(ssl) && !library_reads_proof(ssl))
		return (false);
	switch (ERR_GET_LIB(e)) {
	case ERR_LIB_ASN1:
	case ERR_LIB_BN:
	case ERR_LIB_EC:
	case ERR_LIB_ECDSA:
	case ERR_LIB_EVP:
	case ERR_LIB_OBJ:
	case ERR_LIB_RSA:
	case ERR_LIB_X509:
	case ERR_LIB_X509V3:
		return (true);
	case ERR_LIB_SSL:
		break;
	default:
		return (false);
	}
	switch (ERR_GET_REASON(e)) {
	case SSL_R_BAD_SIGNATURE:
	case SSL_R_UNKNOWN_CERTIFICATE_TYPE:
	case SSL_R_UNKNOWN_DIGEST:
	case SSL_R_WRONG_CURVE:
	case SSL_R_WRONG_SIGNATURE_TYPE:
		return (true);
	default:
		return (false);
	}
}

/* What an error of OpenSSL in the handshake means; NONE: nothing special. */
static enum reason
handshake_reason(const struct tls_stream *tls, unsigned long e)
{
	if (blames_certificate(tls->ssl, e))
		return (REASON_CLIENT_CERTIFICATE);
	if (ERR_GET_LIB(e) != ERR_LIB_SSL)
		return (REASON_NONE);
	switch (ERR_GET_REASON(e)) {
	case SSL_R_UNSUPPORTED_PROTOCOL:
	case SSL_R_UNKNOWN_PROTOCOL:
	case SSL_R_VERSION_TOO_LOW:
		return (REASON_TLS_VERSION);
	case SSL_R_CERTIFICATE_VERIFY_FAILED:
	case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
		return (REASON_CLIENT_CERTIFICATE);
	case SSL_R_EXCESSIVE_MESSAGE_SIZE:
		/* The master has set the bound for a chain to the same. */
		return (library_reads_certificate(tls->ssl)
			    ? REASON_HANDSHAKE_TOO_BIG
			    : REASON_NONE);
	default:
		return (library_faults_certificate(e)
			    ? REASON_CLIENT_CERTIFICATE
			    : REASON_NONE);
	}
}

void
tls_enter(struct tls_stream *tls)
{
	tls->context->caller = tls;
	/* Which is seldom more than a look, where clearing is work (OpenSSL
	 * 3.0, AWS-LC). */
	if (ERR_peek_error() != 0)
		ERR_clear_error();
	tls->context->failures = alloc_failures();
}

/* Takes e and all that is left in the library's queue. Was memory missing? */
static bool
take_no_memory(const struct tls_stream *tls, unsigned long e)
{
	bool found = false;
	bool missing = alloc_failures() != tls->context->failures;
	int i;

	for (i = 0; e != 0 && i < ERRORS_MAX; i++, e = ERR_get_error())
		found |= library_no_memory(e, missing);
	return (found);
}

/* A fatal alert of the client's, by its number; else less than 0. */
static int
alert_of(unsigned long e)
{
	int alert = ERR_GET_REASON(e) - SSL_AD_REASON_OFFSET;

	return (
	    ERR_GET_LIB(e) == ERR_LIB_SSL && alert <= UINT8_MAX ? alert : -1);
}

static bool
said_goodbye(const struct tls_stream *tls)
{
	return ((SSL_get_shutdown(tls->ssl) & SSL_RECEIVED_SHUTDOWN) != 0);
}

/* For what OpenSSL (3.0) has no text: alerts that it does not expect, and ends
 * that are no error to it. */
static void
describe(const struct tls_stream *tls, unsigned long e, char *text, size_t size)
{
	int alert = alert_of(e);

	if (alert >= 0)
		snprintf(text, size, "the client sent the fatal alert %d (%s)",
		    alert, SSL_alert_desc_string_long(alert));
	else if (e != 0)
		snprintf(text, size, "the TLS library gives error %lx", e);
	else if (tls->handshake != NULL && said_goodbye(tls))
		snprintf(text, size,
		    "the client sent close_notify before its handshake was "
		    "done");
	else
		snprintf(text, size, "the TLS library gives no cause");
}

/* The handshake failed with that error: keeps why, and returns its text, for
 * which there is buf. */
static const char *
fail(struct tls_stream *tls, unsigned long e, const char *text,
    char buf[TEXT_SIZE])
{
	long verified = SSL_get_verify_result(tls->ssl);
	struct tls_handshake *hs = tls->handshake;

	hs->left = alert_of(e) >= 0 || (e == 0 && said_goodbye(tls));
	if (hs->failure == REASON_NONE)
		hs->failure = hs->refused ? REASON_CLIENT_CERTIFICATE
					  : handshake_reason(tls, e);
	if (hs->refused && hs->unverified != NULL)
		return (hs->unverified);
	/* AWS-LC has that one where nothing was verified. */
	if (hs->failure == REASON_CLIENT_CERTIFICATE && verified != X509_V_OK &&
	    verified != X509_V_ERR_INVALID_CALL)
		return (X509_verify_cert_error_string(verified));
	if (hs->failure != REASON_CLIENT_CERTIFICATE || text == NULL ||
	    ERR_GET_LIB(e) == ERR_LIB_SSL)
		return (text);
	snprintf(buf, TEXT_SIZE, "%s: %s",
	    library_reads_certificate(tls->ssl)
		? "a certificate of the chain cannot be decoded"
		: "the proof that the client has the key fails",
	    text);
	return (buf);
}

/* Takes the earliest error of the library's queue, which is the cause: -ENOMEM;
 * -EOVERFLOW: too many records without data; or -EPROTO with its text. */
static int
take_error(struct tls_stream *tls)
{
	unsigned long e = ERR_get_error();
	char described[TEXT_SIZE], reason[LIBRARY_REASON_SIZE];
	const char *text = library_reason(e, reason);

	if (tls->handshake != NULL)
		text = fail(tls, e, text, described);
	if (take_no_memory(tls, e))
		return (-ENOMEM);
	if (tls->handshake == NULL && library_too_many_idle(e))
		return (-EOVERFLOW);
	if (text == NULL) {
		describe(tls, e, described, sizeof(described));
		text = described;
	}
	tls_set_error(tls, text);
	return (-EPROTO);
}

int
tls_result(struct tls_stream *tls, int ret)
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
