/*
 * Loads one certificate chain with its key, and checks that they belong
 * together and can be served.
 */
#include "master/certificate.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "common/conf/conf.h"
#include "common/tls/expiry.h"
#include "common/tls/library.h"
#include "master/pem.h"

#define FILE_MAX (1024 * 1024)

/* Keys with a passphrase: nobody is there to be asked. */
static int
no_passphrase(char *buf, int size, int writing, void *asked)
{
	*(int *)asked = 1;
	return (-1);
}

static X509 *
read_one(BIO *bio, int *asked)
{
	return (PEM_read_bio_X509(bio, NULL, no_passphrase, asked));
}

/* All certificates of the file; NULL with the cause in findings. */
static STACK_OF(X509) * read_chain(const struct pem_file *file)
{
	STACK_OF(X509) *chain = sk_X509_new_null();
	BIO *bio = NULL;
	X509 *cert;
	char *data = NULL;
	size_t len;
	int asked = 0;

	if (chain == NULL || pem_slurp(file, FILE_MAX, &data, &len) != 0)
		goto fail;
	bio = BIO_new_mem_buf(data, (int)len);
	if (bio == NULL)
		goto fail_openssl;
	ERR_clear_error();
	while ((cert = read_one(bio, &asked)) != NULL) {
		if (sk_X509_push(chain, cert) == 0) {
			X509_free(cert);
			goto fail_openssl;
		}
	}
	if (!pem_ended())
		goto fail_openssl;
	if (sk_X509_num(chain) == 0) {
		pem_finding(
		    file, LOG_LEVEL_ERROR, "has no certificate in PEM format");
		goto fail;
	}
	BIO_free(bio);
	free(data);
	return (chain);
fail_openssl:
	pem_failed(file, "its certificates cannot be read");
fail:
	BIO_free(bio);
	free(data);
	sk_X509_pop_free(chain, X509_free);
	return (NULL);
}

static EVP_PKEY *
read_key(const struct pem_file *file)
{
	EVP_PKEY *key = NULL;
	BIO *bio;
	char *data;
	size_t len;
	int asked = 0;

	if (pem_slurp(file, FILE_MAX, &data, &len) != 0)
		return (NULL);
	ERR_clear_error();
	bio = BIO_new_mem_buf(data, (int)len);
	if (bio != NULL)
		key = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, &asked);
	if (key == NULL && asked)
		pem_finding(file, LOG_LEVEL_ERROR,
		    "is encrypted, and nobody can be asked for the passphrase; "
		    "store the key without one");
	/* The decoders of 3.0 only say "unsupported" to that. */
	else if (key == NULL && strstr(data, "PRIVATE KEY-----") == NULL)
		pem_finding(
		    file, LOG_LEVEL_ERROR, "has no private key in PEM format");
	else if (key == NULL)
		pem_failed(file, "its key cannot be read");
	ERR_clear_error();
	BIO_free(bio);
	OPENSSL_cleanse(data, len);
	free(data);
	return (key);
}

static void
check_mode(const struct pem_file *file)
{
	mode_t both = S_IROTH | S_IWOTH;
	struct stat st;

	if (stat(*file->setting, &st) == 0 && (st.st_mode & both) != 0)
		pem_finding(file, LOG_LEVEL_WARNING,
		    "its mode %04o lets every user %s it; take that away with "
		    "chmod o-rw",
		    (unsigned)(st.st_mode & 07777),
		    (st.st_mode & both) == both	  ? "read and write"
		    : (st.st_mode & S_IROTH) != 0 ? "read"
						  : "write");
}

/* Clients build their path from the order that the server sends. */
static int
check_order(STACK_OF(X509) * chain, const struct pem_file *file)
{
	for (int i = 1; i < (int)sk_X509_num(chain); i++) {
		X509 *subject = sk_X509_value(chain, i - 1);
		X509 *issuer = sk_X509_value(chain, i);

		if (X509_check_issued(issuer, subject) == X509_V_OK)
			continue;
		pem_finding(file, LOG_LEVEL_ERROR,
		    "certificate %d is not that of the issuer of certificate "
		    "%d; put the server's own first, then that of each issuer",
		    i + 1, i);
		ERR_clear_error();
		return (-EINVAL);
	}
	return (0);
}

/* Warnings only: an expired certificate must not make a reload impossible
 * that has nothing to do with it; see validity.h. */
static void
check_dates(
    STACK_OF(X509) * chain, const struct pem_file *file, struct expiry *whole)
{
	int64_t now = time(NULL);

	for (int i = 0; i < (int)sk_X509_num(chain); i++) {
		X509 *cert = sk_X509_value(chain, i);
		int64_t begins = pem_time(X509_get0_notBefore(cert));
		int64_t ends = pem_time(X509_get0_notAfter(cert));
		char text[EXPIRY_TEXT_SIZE];
		struct expiry one;

		expiry_init(&one, EXPIRY_CHAIN, *file->setting);
		expiry_narrow(&one, (unsigned)i + 1, begins, ends, now);
		expiry_narrow(whole, (unsigned)i + 1, begins, ends, now);
		if (expiry_step(&one, now) > 0 || begins > now)
			pem_finding(file, LOG_LEVEL_WARNING,
			    "certificate %d %s", i + 1,
			    expiry_text(text, &one, now));
	}
	ERR_clear_error();
}

static int
use(SSL_CTX *ctx, STACK_OF(X509) * chain, const struct pem_file *chain_file,
    EVP_PKEY *key, const struct pem_file *key_file)
{
	X509 *leaf = sk_X509_value(chain, 0);
	int result = 0;

	if (X509_check_private_key(leaf, key) != 1) {
		ERR_clear_error();
		pem_finding(key_file, LOG_LEVEL_ERROR,
		    "does not belong to the first certificate of %s",
		    *chain_file->setting);
		return (-EINVAL);
	}
	sk_X509_shift(chain);
	/* override 0: a second one of the same key type is an error. */
	if (SSL_CTX_use_cert_and_key(ctx, leaf, key, chain, 0) != 1) {
		if (ERR_GET_REASON(ERR_peek_error()) ==
		    SSL_R_NOT_REPLACING_CERTIFICATE)
			pem_finding(chain_file, LOG_LEVEL_ERROR,
			    "has a key of the same type (%s) as another "
			    "certificate; give one of each type",
			    OBJ_nid2sn(library_key_type(key)));
		else
			pem_failed(chain_file, "cannot be used");
		ERR_clear_error();
		result = -EINVAL;
	}
	X509_free(leaf);
	return (result);
}

static void
note_key(struct certificate_keys *keys, const EVP_PKEY *key)
{
	switch (library_key_type(key)) {
	case EVP_PKEY_RSA:
		keys->rsa = true;
		break;
	case EVP_PKEY_RSA_PSS:
		keys->rsa_pss = true;
		break;
	case EVP_PKEY_EC:
	case EVP_PKEY_ED25519:
	case EVP_PKEY_ED448:
		keys->ecdsa = true;
		break;
	}
}

int
certificate_load(SSL_CTX *ctx, const struct conf *conf, size_t i,
    struct certificate_keys *keys, struct findings *f)
{
	const struct conf_certificate *c = &conf->tls.certificates[i];
	const struct pem_file chain_file = { conf, &c->chain, f };
	const struct pem_file key_file = { conf, &c->key, f };
	STACK_OF(X509) *chain = read_chain(&chain_file);
	EVP_PKEY *key = read_key(&key_file);
	struct expiry whole;
	int result = -EINVAL;

	expiry_init(&whole, EXPIRY_CHAIN, c->chain);
	whole.index = (unsigned)i;
	if (key != NULL)
		check_mode(&key_file);
	if (chain != NULL && key != NULL &&
	    check_order(chain, &chain_file) == 0) {
		check_dates(chain, &chain_file, &whole);
		result = use(ctx, chain, &chain_file, key, &key_file);
	}
	if (result == 0) {
		note_key(keys, key);
		whole.key_type = library_key_type(key);
		expiry_add(keys->expiries, &whole);
	}
	EVP_PKEY_free(key);
	sk_X509_pop_free(chain, X509_free);
	return (result);
}
