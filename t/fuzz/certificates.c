/*
 * Certificate messages: what is let through is within the bounds as OpenSSL
 * reads it, too. The first byte chooses the format; the rest is the message.
 */
#include <assert.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "common/tls/library.h"
#include "t/unit/keys.h"
#include "worker/tls/certificates.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t
take_length(const uint8_t **at, unsigned bytes)
{
	size_t len = 0;

	while (bytes-- > 0)
		len = len << 8 | *(*at)++;
	return (len);
}

static void
check_key(X509 *cert)
{
	EVP_PKEY *key = X509_get0_pubkey(cert);
	int curve;

	/* It need not be one that OpenSSL can use. */
	if (key == NULL)
		return;
	switch (library_key_type(key)) {
	case EVP_PKEY_RSA:
	case EVP_PKEY_RSA_PSS:
		assert(EVP_PKEY_bits(key) <= CERTIFICATES_MODULUS_MAX);
		break;
	case EVP_PKEY_EC:
		curve = key_curve(key);
		assert(curve == NID_X9_62_prime256v1 ||
		       curve == NID_secp384r1 || curve == NID_secp521r1);
		break;
	case EVP_PKEY_ED25519:
	case EVP_PKEY_ED448:
		break;
	default:
		assert(0);
	}
}

static void
check_points(X509 *cert)
{
	CRL_DIST_POINTS *points =
	    X509_get_ext_d2i(cert, NID_crl_distribution_points, NULL, NULL);
	DIST_POINT *point;
	int i;

	for (i = 0; i < (int)sk_DIST_POINT_num(points); i++) {
		point = sk_DIST_POINT_value(points, i);
		assert(point->distpoint == NULL || point->distpoint->type == 0);
	}
	CRL_DIST_POINTS_free(points);
}

static void
check_certificate(const uint8_t *der, size_t len)
{
	const uint8_t *at = der;
	X509 *cert = d2i_X509(NULL, &at, (long)len);

	if (cert != NULL) {
		assert(at == der + len);
		assert(X509_NAME_entry_count(X509_get_subject_name(cert)) <=
		       CERTIFICATES_ATTRIBUTES_MAX);
		assert(X509_NAME_entry_count(X509_get_issuer_name(cert)) <=
		       CERTIFICATES_ATTRIBUTES_MAX);
		assert(X509_get_ext_count(cert) <= CERTIFICATES_EXTENSIONS_MAX);
		check_key(cert);
		check_points(cert);
		(void)X509_check_purpose(cert, -1, 0);
	}
	X509_free(cert);
	ERR_clear_error();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	bool tls13 = size > 0 && data[0] % 2 == 1;
	const uint8_t *at = data + 1 + (tls13 ? 1 : 0) + 3;
	unsigned n;
	bool decodable;
	size_t len;

	if (size == 0)
		return (0);
	(void)certificates_judge(data + 1, size - 1, tls13, &decodable);
	if (!decodable)
		return (0);
	for (n = 0; at < data + size; n++) {
		len = take_length(&at, 3);
		check_certificate(at, len);
		at += len;
		if (tls13) {
			len = take_length(&at, 2);
			at += len;
		}
	}
	assert(at == data + size && n <= CERTIFICATES_MAX);
	return (0);
}
