#include "master/client_ca.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>
#include <stdlib.h>
#include <string.h>

#include "common/conf.h"
#include "master/findings.h"
#include "master/pem.h"

#define FILE_MAX (16 * 1024 * 1024)

static int
add_authorities(SSL_CTX *ctx, BIO *bio, const struct pem_file *file)
{
	X509_STORE *store = SSL_CTX_get_cert_store(ctx);
	bool good = true;
	X509 *cert;
	size_t n = 0;

	while (good && (cert = PEM_read_bio_X509(bio, NULL, NULL, NULL))) {
		/* The name goes into the CertificateRequest. */
		good = X509_STORE_add_cert(store, cert) == 1 &&
		       SSL_CTX_add_client_CA(ctx, cert) == 1;
		X509_free(cert);
		n++;
	}
	if (!good || !pem_ended())
		pem_failed(file, "its certificates cannot be read");
	else if (n == 0)
		pem_finding(
		    file, LOG_LEVEL_ERROR, "has no certificate in PEM format");
	else
		return (0);
	return (-EINVAL);
}

/*
 * With revocation lists, every certificate of the chain must be on good terms
 * with a list that is valid today: a list that is missing or out of date
 * refuses clients, since it cannot say that they are not revoked.
 */
static int
add_crls(SSL_CTX *ctx, BIO *bio, const struct pem_file *file)
{
	X509_STORE *store = SSL_CTX_get_cert_store(ctx);
	bool good = true;
	X509_CRL *crl;
	size_t n = 0;

	while (good && (crl = PEM_read_bio_X509_CRL(bio, NULL, NULL, NULL))) {
		good = X509_STORE_add_crl(store, crl) == 1;
		if (X509_cmp_current_time(X509_CRL_get0_nextUpdate(crl)) < 0)
			pem_finding(file, LOG_LEVEL_WARNING,
			    "revocation list %zu is out of date: clients of "
			    "its issuer will be refused",
			    n + 1);
		X509_CRL_free(crl);
		n++;
	}
	if (!good || !pem_ended() ||
	    X509_STORE_set_flags(
		store, X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL) != 1)
		pem_failed(file, "its revocation lists cannot be read");
	else if (n == 0)
		pem_finding(file, LOG_LEVEL_ERROR,
		    "has no revocation list in PEM format");
	else
		return (0);
	return (-EINVAL);
}

/* Reads a file, adds it to the digest, and hands its text to add(). */
static int
load(SSL_CTX *ctx, EVP_MD_CTX *digest, const struct pem_file *file,
    int (*add)(SSL_CTX *, BIO *, const struct pem_file *))
{
	char *data;
	size_t len;
	BIO *bio;
	int error = 0;

	if (pem_slurp(file, FILE_MAX, &data, &len) != 0)
		return (-EINVAL);
	bio = BIO_new_mem_buf(data, (int)len);
	if (bio == NULL || EVP_DigestUpdate(digest, data, len) != 1) {
		pem_failed(file, "read");
		error = -EINVAL;
	} else {
		error = add(ctx, bio, file);
	}
	BIO_free(bio);
	free(data);
	return (error);
}

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
	    pem_reason());
	return (-EINVAL);
}

int
client_ca_load(SSL_CTX *ctx, const struct conf *conf, struct findings *f)
{
	const struct conf_tls *tls = &conf->tls;
	const struct pem_file ca = { conf, &tls->client_ca, f };
	const struct pem_file crl = { conf, &tls->crl, f };
	/* Tickets of this service are of no use to another of the same keys. */
	static const char service[] = "sniport";
	EVP_MD_CTX *digest = EVP_MD_CTX_new();
	int result = 0;

	ERR_clear_error();
	if (digest == NULL ||
	    EVP_DigestInit_ex(digest, EVP_sha256(), NULL) != 1 ||
	    EVP_DigestUpdate(digest, service, sizeof(service)) != 1 ||
	    EVP_DigestUpdate(
		digest, &tls->client_auth, sizeof(tls->client_auth)) != 1) {
		findings_add(
		    f, LOG_LEVEL_ERROR, "tls: set up: %s", pem_reason());
		result = -EINVAL;
	}
	if (result == 0 && tls->client_ca != NULL)
		result = load(ctx, digest, &ca, add_authorities);
	if (result == 0 && tls->crl != NULL)
		result = load(ctx, digest, &crl, add_crls);
	if (result == 0)
		result = set_session_context(ctx, digest, f);
	SSL_CTX_set_verify(ctx, verify_mode(tls->client_auth), NULL);
	EVP_MD_CTX_free(digest);
	return (result);
}
