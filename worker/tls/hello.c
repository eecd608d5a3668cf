/*
 * Takes the server name from a ClientHello that the library holds out, and has
 * it decided upon before the handshake goes on.
 */
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>

#include "worker/tls/state.h"

static bool
same_name(const struct tls_stream *tls, bool has_name, const uint8_t *name,
    size_t len)
{
	if (tls->handshake->has_name != has_name)
		return (false);
	return (
	    !has_name ||
	    (tls->handshake->name_len == len &&
		(len == 0 || memcmp(tls->handshake->name, name, len) == 0)));
}

static enum reason
keep_name(struct tls_stream *tls, const uint8_t *name, size_t len)
{
	tls->handshake->name = malloc(len > 0 ? len : 1);
	if (tls->handshake->name == NULL)
		return (REASON_NO_MEMORY);
	memcpy(tls->handshake->name, name, len);
	tls->handshake->name_len = len;
	tls->handshake->has_name = true;
	return (REASON_NONE);
}

/*
 * The name is taken from the raw extension and from nowhere else: OpenSSL 3.0
 * answers with the name of the old session when a TLS 1.2 session is resumed,
 * and does not compare the second hello after a HelloRetryRequest with the
 * first.
 */
int
tls_hello_read(SSL *ssl, int *alert, void *arg)
{
	struct tls_stream *tls = SSL_get_app_data(ssl);
	const unsigned char *ext;
	const uint8_t *name = NULL;
	size_t ext_len, len = 0;
	bool has_ext = SSL_client_hello_get0_ext(
			   ssl, TLSEXT_TYPE_server_name, &ext, &ext_len) == 1;
	enum reason reason = REASON_SNI_MISSING;

	if (tls->handshake == NULL) {
		*alert = SSL_AD_NO_RENEGOTIATION;
		return (SSL_CLIENT_HELLO_ERROR);
	}
	if (SSL_client_hello_isv2(ssl)) {
		/* OpenSSL (3.0) would take its offer of TLS 1.2. */
		ERR_raise(ERR_LIB_SSL, SSL_R_UNSUPPORTED_PROTOCOL);
		*alert = SSL_AD_PROTOCOL_VERSION;
		return (SSL_CLIENT_HELLO_ERROR);
	}
	if (has_ext)
		reason = client_hello_server_name(ext, ext_len, &name, &len);
	if (tls->handshake->hello.seen) {
		if (same_name(tls, has_ext && name != NULL, name, len))
			return (SSL_CLIENT_HELLO_SUCCESS);
		reason = REASON_SNI_CHANGED;
	} else if (reason == REASON_NONE) {
		reason = keep_name(tls, name, len);
	}
	tls->handshake->hello.seen = true;
	*alert =
	    (int)tls->context->hello(tls->handshake->arg, name, len, &reason);
	if (*alert == TLS_ALERT_NONE)
		return (SSL_CLIENT_HELLO_SUCCESS);
	tls->handshake->failure = reason;
	return (SSL_CLIENT_HELLO_ERROR);
}
