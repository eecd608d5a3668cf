/* Loads the authorities of clients, and the lists of what they revoked. */
#include "master/client_ca.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#include "common/conf/conf.h"
#include "common/tls/revocation.h"
#include "master/client_ca_check.h"
#include "master/client_crl.h"
#include "master/client_crl_scope.h"
#include "master/findings.h"
#include "master/pem.h"

#define FILE_MAX (16 * 1024 * 1024)

#define NO_EFFECT                                                           \
	"has no effect, since tls.client_auth is \"none\" and clients are " \
	"not "                                                              \
	"asked for certificates"

static int
read_authorities(struct client_ca *out, BIO *bio, const struct pem_file *file)
{
	bool good = true;
	X509 *cert;

	out->authorities = sk_X509_new_null();
	good = out->authorities != NULL;
	while (good && (cert = PEM_read_bio_X509(bio, NULL, NULL, NULL))) {
		good = sk_X509_push(out->authorities, cert) > 0;
		if (!good)
			X509_free(cert);
	}
	if (!good || !pem_ended())
		pem_failed(file, "its certificates cannot be read");
	else if (sk_X509_num(out->authorities) == 0)
		pem_finding(
		    file, LOG_LEVEL_ERROR, "has no certificate in PEM format");
	else
		return (0);
	return (-EINVAL);
}

static int
read_crls(struct client_ca *out, BIO *bio, const struct pem_file *file)
{
	bool good = true;
	X509_CRL *crl;

	out->crls = sk_X509_CRL_new_null();
	good = out->crls != NULL;
	while (good && (crl = PEM_read_bio_X509_CRL(bio, NULL, NULL, NULL))) {
		good = sk_X509_CRL_push(out->crls, crl) > 0;
		if (!good)
			X509_CRL_free(crl);
	}
	if (!good || !pem_ended())
		pem_failed(file, "its revocation lists cannot be read");
	else if (sk_X509_CRL_num(out->crls) == 0)
		pem_finding(file, LOG_LEVEL_ERROR,
		    "has no revocation list in PEM format");
	else
		return (0);
	return (-EINVAL);
}

/* Reads a file and hands its text to read(). */
static int
load(struct client_ca *out, const struct pem_file *file,
    int (*read)(struct client_ca *, BIO *, const struct pem_file *))
{
	char *data;
	size_t len;
	BIO *bio;
	int error = 0;

	if (pem_slurp(file, FILE_MAX, &data, &len) != 0)
		return (-EINVAL);
	bio = BIO_new_mem_buf(data, (int)len);
	if (bio == NULL) {
		pem_failed(file, "cannot be read");
		error = -EINVAL;
	} else {
		error = read(out, bio, file);
	}
	BIO_free(bio);
	free(data);
	return (error);
}

/*
 * A chain ends with a certificate that signed itself, or with one whose issuer
 * nobody here knows: OpenSSL takes that for an anchor if it is marked. Its flag
 * for partial chains would end every chain at the first certificate that is
 * known, where the revocation lists of those above it cannot be verified.
 */
static bool
add_authority(SSL_CTX *ctx, const struct client_ca *ca, X509 *cert)
{
	ASN1_OBJECT *purpose = OBJ_nid2obj(NID_client_auth);

	if (client_ca_orphan(ca, cert) &&
	    X509_add1_trust_object(cert, purpose) != 1)
		return (false);
	/* The name goes into the CertificateRequest. */
	return (X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), cert) == 1 &&
		SSL_CTX_add_client_CA(ctx, cert) == 1);
}

static bool
digest_authority(EVP_MD_CTX *digest, const X509 *cert)
{
	unsigned char md[EVP_MAX_MD_SIZE];
	unsigned len;

	return (X509_digest(cert, EVP_sha256(), md, &len) == 1 &&
		EVP_DigestUpdate(digest, md, len) == 1);
}

/* Whose list it is, by name and key, and not what is in it: a ticket is judged
 * by the list that is in force. */
static bool
digest_crl(EVP_MD_CTX *digest, const X509_CRL *crl)
{
	int i = X509_CRL_get_ext_by_NID(crl, NID_authority_key_identifier, -1);
	ASN1_OCTET_STRING *key =
	    i >= 0 ? X509_EXTENSION_get_data(X509_CRL_get_ext(crl, i)) : NULL;
	unsigned char md[EVP_MAX_MD_SIZE];
	unsigned len;

	return (
	    X509_NAME_digest(
		X509_CRL_get_issuer(crl), EVP_sha256(), md, &len) == 1 &&
	    EVP_DigestUpdate(digest, md, len) == 1 &&
	    (key == NULL || EVP_DigestUpdate(digest, ASN1_STRING_get0_data(key),
				(size_t)ASN1_STRING_length(key)) == 1));
}

static bool
add_crl(X509_STORE *store, X509_CRL *crl)
{
	X509_CRL *prepared = revocation_prepare(crl);
	bool good =
	    prepared != NULL && X509_STORE_add_crl(store, prepared) == 1;

	X509_CRL_free(prepared);
	return (good);
}

/*
 * With revocation lists, every certificate of the chain must be on good terms
 * with a list that is valid today: a list that is missing or out of date
 * refuses clients, since it cannot say that they are not revoked.
 */
static bool
add_all(SSL_CTX *ctx, EVP_MD_CTX *digest, const struct client_ca *ca)
{
	X509_STORE *store = SSL_CTX_get_cert_store(ctx);
	X509_CRL *crl;
	int i;

	for (i = 0; i < (int)sk_X509_num(ca->authorities); i++)
		if (!add_authority(
			ctx, ca, sk_X509_value(ca->authorities, i)) ||
		    !digest_authority(
			digest, sk_X509_value(ca->authorities, i)))
			return (false);
	for (i = 0; i < (int)sk_X509_CRL_num(ca->crls); i++) {
		crl = sk_X509_CRL_value(ca->crls, i);
		if (crl != NULL &&
		    (!add_crl(store, crl) || !digest_crl(digest, crl)))
			return (false);
	}
	return (ca->crls == NULL ||
		X509_STORE_set_flags(store,
		    X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL) == 1);
}

/* So many certificates may stand between a client's and its anchor. */
#define DEPTH_MAX 16

static int
verify_mode(enum conf_client_auth auth)
{
	switch (auth) {
	case CONF_CLIENT_AUTH_REQUIRED:
		return (SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT);
	case CONF_CLIENT_AUTH_OPTIONAL:
		return (SSL_VERIFY_PEER);
	default:
		return (SSL_VERIFY_NONE);
	}
}

static int
set_session_context(SSL_CTX *ctx, EVP_MD_CTX *digest, struct findings *f)
{
	unsigned char context[EVP_MAX_MD_SIZE];
	unsigned len;

	/* SHA-256: 32 bytes, just what a session id context may have. */
	if (EVP_DigestFinal_ex(digest, context, &len) == 1 &&
	    SSL_CTX_set_session_id_context(ctx, context, len) == 1)
		return (0);
	findings_add(f, LOG_LEVEL_ERROR, "tls: set session id context: %s",
	    pem_reason((char[PEM_REASON_SIZE]){ 0 }));
	return (-EINVAL);
}

/* What is given and would do nothing, or shut out clients. 0 or -EINVAL. */
static int
check(struct client_ca *ca, const struct pem_file *ca_file,
    const struct pem_file *crl_file)
{
	const struct conf *conf = ca_file->conf;

	if (conf->tls.client_auth != CONF_CLIENT_AUTH_NONE) {
		client_ca_check_authorities(ca, ca_file);
		if (ca->crls == NULL)
			return (0);
		if (client_crl_choose(ca, crl_file) != 0)
			return (-EINVAL);
		client_ca_check_crls(ca, crl_file);
		return (0);
	}
	if (ca->authorities != NULL)
		pem_finding(ca_file, LOG_LEVEL_WARNING, NO_EFFECT);
	if (ca->crls != NULL)
		pem_finding(crl_file, LOG_LEVEL_WARNING, NO_EFFECT);
	return (0);
}

static int
use(SSL_CTX *ctx, const struct conf *conf, const struct client_ca *ca,
    struct findings *f)
{
	/* Tickets of this service are of no use to another of the same keys. */
	static const char service[] = "sniport";
	const enum conf_client_auth *auth = &conf->tls.client_auth;
	/* Neither library asks whether a session's cipher is still spoken. */
	const char *ciphers = conf->tls.ciphers;
	EVP_MD_CTX *digest = EVP_MD_CTX_new();
	int result = 0;

	if (digest == NULL ||
	    EVP_DigestInit_ex(digest, EVP_sha256(), NULL) != 1 ||
	    EVP_DigestUpdate(digest, service, sizeof(service)) != 1 ||
	    EVP_DigestUpdate(digest, auth, sizeof(*auth)) != 1 ||
	    EVP_DigestUpdate(digest, ciphers, strlen(ciphers) + 1) != 1 ||
	    !add_all(ctx, digest, ca)) {
		findings_add(f, LOG_LEVEL_ERROR, "tls: set up: %s",
		    pem_reason((char[PEM_REASON_SIZE]){ 0 }));
		result = -EINVAL;
	}
	if (result == 0)
		result = set_session_context(ctx, digest, f);
	EVP_MD_CTX_free(digest);
	return (result);
}

int
client_ca_load(SSL_CTX *ctx, const struct conf *conf, struct expiries *expiries,
    struct findings *f)
{
	const struct conf_tls *tls = &conf->tls;
	const struct pem_file ca_file = { conf, &tls->client_ca, f };
	const struct pem_file crl_file = { conf, &tls->crl, f };
	struct client_ca ca = { NULL, NULL };
	int result = 0;

	ERR_clear_error();
	if (tls->client_ca != NULL)
		result = load(&ca, &ca_file, read_authorities);
	if (result == 0 && tls->crl != NULL)
		result = load(&ca, &crl_file, read_crls);
	if (result == 0)
		result = check(&ca, &ca_file, &crl_file);
	if (result == 0) {
		if (tls->client_auth != CONF_CLIENT_AUTH_NONE)
			client_ca_expiries(&ca, conf, expiries);
		result = use(ctx, conf, &ca, f);
	}
	if (result == 0 && ca.crls != NULL &&
	    tls->client_auth != CONF_CLIENT_AUTH_NONE)
		client_crl_check_scopes(
		    &ca, SSL_CTX_get_cert_store(ctx), &crl_file);
	SSL_CTX_set_verify(ctx, verify_mode(tls->client_auth), NULL);
	SSL_CTX_set_verify_depth(ctx, DEPTH_MAX);
	sk_X509_pop_free(ca.authorities, X509_free);
	sk_X509_CRL_pop_free(ca.crls, X509_CRL_free);
	return (result);
}
