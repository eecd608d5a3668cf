/*
 * Clients' certificates: whatever is in one, what is read of it are names that
 * can be told, or a reason. Input: a byte of flags (an authority; the key
 * usage), then the value of the subject alternative names.
 */
#include <assert.h>
#include <errno.h>
#include <openssl/evp.h>
#include <openssl/x509v3.h>
#include <stdint.h>
#include <string.h>

#include "t/unit/keys.h"
#include "common/net/hostname.h"
#include "worker/tls/identity.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static EVP_PKEY *key;

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	key = key_new(EVP_PKEY_ED25519, 0);
	assert(key != NULL);
	return (0);
}

static void
add(X509 *cert, int nid, const uint8_t *value, size_t len)
{
	ASN1_OCTET_STRING *octets = ASN1_OCTET_STRING_new();
	X509_EXTENSION *ext;

	assert(ASN1_OCTET_STRING_set(octets, value, (int)len) == 1);
	ext = X509_EXTENSION_create_by_NID(NULL, nid, 0, octets);
	assert(ext != NULL && X509_add_ext(cert, ext, -1) == 1);
	X509_EXTENSION_free(ext);
	ASN1_OCTET_STRING_free(octets);
}

static X509 *
certify(uint8_t flags, const uint8_t *names, size_t len)
{
	static const uint8_t authority[] = { 0x30, 3, 1, 1, 0xff };
	/* digitalSignature, keyCertSign and cRLSign, from the left */
	const uint8_t usage[] = { 3, 2, 0,
		(uint8_t)((flags & 0x80) | (flags & 6)) };
	X509 *cert = X509_new();

	assert(cert != NULL && X509_set_version(cert, X509_VERSION_3) == 1);
	assert(X509_set_pubkey(cert, key) == 1);
	X509_gmtime_adj(X509_getm_notBefore(cert), 0);
	X509_gmtime_adj(X509_getm_notAfter(cert), 1000);
	add(cert, NID_subject_alt_name, names, len);
	if ((flags & 1) != 0)
		add(cert, NID_basic_constraints, authority, sizeof(authority));
	if ((flags & 8) != 0)
		add(cert, NID_key_usage, usage, sizeof(usage));
	assert(X509_sign(cert, key, NULL) > 0);
	return (cert);
}

static void
check(const struct tls_identity *id, uint8_t flags)
{
	char name[HOSTNAME_SIZE];
	const struct identity *a;
	size_t i, j;

	assert(id->n <= TLS_IDENTITY_NAMES_MAX);
	assert((id->names == NULL) == (id->n == 0));
	for (i = 0; i < id->n; i++) {
		a = &id->names[i];
		assert(a->len > 0 && strlen(a->text) == a->len);
		for (j = 0; j < a->len; j++)
			assert(a->text[j] >= ' ' && a->text[j] <= '~');
		if (a->kind == IDENTITY_DNS) {
			j = a->text[0] == '*' ? 2 : 0;
			assert(hostname_canonical(
				   name, a->text + j, a->len - j) >= 0);
			continue;
		}
		assert(i == 0 && identity_valid_spiffe(a->text, a->len));
		assert((flags & 1) == 0);
		assert((flags & 8) == 0 || (flags & 0x86) == 0x80);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tls_identity id;
	const char *why = NULL;
	X509 *cert;
	int error;

	if (size < 1)
		return (0);
	cert = certify(data[0], data + 1, size - 1);
	error = tls_identity_read(&id, cert, &why);
	X509_free(cert);
	assert(error == 0 || (error == -EINVAL && why != NULL && id.n == 0));
	assert(error != 0 || why == NULL);
	/* The names live longer than the certificate. */
	check(&id, data[0]);
	tls_identity_free(&id);
	return (0);
}
