/* Verifies the certificates of clients: by what they would cost, by OpenSSL's
 * rules, then by ours. */
#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "common/tls/library.h"
#include "common/tls/revocation.h"
#include "worker/tls/certificates.h"
#include "worker/tls/chain.h"
#include "worker/tls/state.h"
#include "worker/tls/tickets.h"

/*
 * Makes OpenSSL refuse a message as soon as it reads it: TLS 1.2 has the length
 * of the list in front, which is now longer than any message, TLS 1.3 a
 * context, of which there must be none and is now one of 255 bytes.
 */
static void
spoil(uint8_t *body, size_t len)
{
	static const uint8_t lengths[] = { 0xff, 0xff, 0xff, 0xff };

	memcpy(body, lengths, len < sizeof(lengths) ? len : sizeof(lengths));
}

/*
 * Sees each message, whole and decrypted, before OpenSSL does. It cannot refuse
 * one, but the bytes are those in OpenSSL's own buffer that are read next, and
 * are in the hash of the handshake already (3.0, 3.5: tls_get_message_body()).
 */
void
tls_judge(int sent, int version, int type, const void *bytes, size_t len,
    SSL *ssl, void *arg)
{
	uint8_t *message = (uint8_t *)bytes;
	struct tls_stream *tls;
	const char *why;
	bool decodable;

	if (sent != 0 || type != SSL3_RT_HANDSHAKE ||
	    len < SSL3_HM_HEADER_LENGTH || message[0] != SSL3_MT_CERTIFICATE)
		return;
	message += SSL3_HM_HEADER_LENGTH;
	len -= SSL3_HM_HEADER_LENGTH;
	why = certificates_judge(
	    message, len, SSL_version(ssl) == TLS1_3_VERSION, &decodable);
	if (why == NULL)
		return;
	tls = SSL_get_app_data(ssl);
	if (tls->handshake == NULL)
		return;
	tls->handshake->unverified = why;
	tls->handshake->refused = true;
	/* Else tls_verify() has a better alert. */
	if (!decodable)
		spoil(message, len);
}

/*
 * An anchor that another authority has signed is an anchor because that one is
 * not known, and so are its revocation lists: none can be asked for.
 */
static bool
forgive_anchor(X509_STORE_CTX *store)
{
	STACK_OF(X509) *chain = X509_STORE_CTX_get0_chain(store);
	int last = (int)sk_X509_num(chain) - 1;
	int error = X509_STORE_CTX_get_error(store);

	if (error != X509_V_ERR_UNABLE_TO_GET_CRL &&
	    error != X509_V_ERR_UNABLE_TO_GET_CRL_ISSUER &&
	    error != X509_V_ERR_CRL_SIGNATURE_FAILURE)
		return (false);
	return (X509_STORE_CTX_get_error_depth(store) == last &&
		(X509_get_extension_flags(sk_X509_value(chain, last)) &
		    EXFLAG_SI) == 0);
}

/* 1: what the library has found is no fault. */
static int
judge_finding(int ok, X509_STORE_CTX *store)
{
	int error = X509_STORE_CTX_get_error(store);

	if (ok == 1)
		return (1);
	if ((error != X509_V_ERR_CRL_SIGNATURE_FAILURE ||
		!revocation_signed(store)) &&
	    !forgive_anchor(store))
		return (0);
	X509_STORE_CTX_set_error(store, X509_V_OK);
	return (1);
}

/* OpenSSL (3.0) cannot make a session of a longer one: the handshake would end
 * with an internal error. */
#define LEAF_MAX (60 * 1024)

static int
read_leaf(struct tls_stream *tls, X509 *leaf)
{
	tls_identity_free(&tls->handshake->identity);
	if (i2d_X509(leaf, NULL) <= LEAF_MAX)
		return (tls_identity_read(&tls->handshake->identity, leaf,
		    &tls->handshake->unverified));
	tls->handshake->unverified = "the certificate is longer than 60 KiB";
	return (-EINVAL);
}

static bool
is_invalid(X509 *cert)
{
	return ((X509_get_extension_flags(cert) & EXFLAG_INVALID) != 0);
}

/*
 * What OpenSSL (3.0, 3.5) cannot make sense of is to it the certificate of
 * nobody's child, with a key of no strength. NULL: it has said why.
 */
static const char *
true_cause(X509_STORE_CTX *store)
{
	STACK_OF(X509) *others = X509_STORE_CTX_get0_untrusted(store);
	X509 *leaf = X509_STORE_CTX_get0_cert(store);
	int error = X509_STORE_CTX_get_error(store), i;
	bool invalid = is_invalid(leaf);

	for (i = 0; error == X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY &&
		    i < (int)sk_X509_num(others);
	     i++)
		invalid |= is_invalid(sk_X509_value(others, i));
	if (invalid)
		return ("a certificate of the chain has a malformed "
			"extension");
	if (X509_get0_pubkey(leaf) == NULL)
		return ("the key of the certificate is not valid");
	return (NULL);
}

static int
reject(X509_STORE_CTX *store)
{
	X509_STORE_CTX_set_error(store, X509_V_ERR_CERT_REJECTED);
	return (-EINVAL);
}

/* 0, -ENOMEM, or -EINVAL with the error of the store set. */
static int
verify(X509_STORE_CTX *store, struct tls_stream *tls)
{
	const char **why = &tls->handshake->unverified;
	int error;

	if (tls->handshake->refused)
		return (reject(store));
	X509_STORE_CTX_set_verify_cb(store, judge_finding);
	if (X509_verify_cert(store) != 1) {
		*why = true_cause(store);
		return (*why != NULL ? reject(store) : -EINVAL);
	}
	error = tls_chain_fault(X509_STORE_CTX_get0_chain(store));
	if (error != X509_V_OK) {
		X509_STORE_CTX_set_error(store, error);
		return (-EINVAL);
	}
	*why = library_weakness(X509_STORE_CTX_get0_chain(store));
	if (*why != NULL)
		return (reject(store));
	error = read_leaf(tls, X509_STORE_CTX_get0_cert(store));
	if (error == -EINVAL)
		return (reject(store));
	if (error == 0)
		error = tls_resume_note(tls, X509_STORE_CTX_get0_chain(store));
	if (error == 0 && tls->handshake->no_ticket)
		error = tickets_refuse(tls->ssl);
	if (error == 0)
		tickets_limit(tls->ssl);
	return (error);
}

int
tls_verify(X509_STORE_CTX *store, void *arg)
{
	SSL *ssl = X509_STORE_CTX_get_ex_data(
	    store, SSL_get_ex_data_X509_STORE_CTX_idx());
	struct tls_stream *tls = SSL_get_app_data(ssl);
	int error = verify(store, tls);

	if (error == -ENOMEM) {
		library_raise_no_memory();
		X509_STORE_CTX_set_error(store, X509_V_ERR_OUT_OF_MEM);
	}
	if (error == -EINVAL)
		tls->handshake->refused = true;
	return (error == 0);
}
