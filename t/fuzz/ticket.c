/*
 * The note that a ticket has of its client: whatever the bytes are, with and
 * without revocation lists, they are judged, and none but a whole note holds.
 */
#include <assert.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdint.h>
#include <string.h>

#include "t/unit/keys.h"
#include "worker/tls/ticket.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static X509_STORE *lists, *none;

static void
name(X509_NAME *n)
{
	X509_NAME_add_entry_by_txt(
	    n, "CN", MBSTRING_ASC, (const unsigned char *)"mesh", -1, -1, 0);
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	EVP_PKEY *key = key_new(EVP_PKEY_ED25519, 0);
	X509_CRL *crl = X509_CRL_new();
	X509_NAME *issuer = X509_NAME_new();
	ASN1_TIME *t = X509_gmtime_adj(NULL, -1000);

	name(issuer);
	X509_CRL_set_version(crl, X509_CRL_VERSION_2);
	X509_CRL_set_issuer_name(crl, issuer);
	X509_CRL_set1_lastUpdate(crl, t);
	assert(X509_CRL_sign(crl, key, NULL) > 0);
	none = X509_STORE_new();
	lists = X509_STORE_new();
	assert(X509_STORE_add_crl(lists, crl) == 1);
	X509_STORE_set_flags(lists, X509_V_FLAG_CRL_CHECK);
	X509_CRL_free(crl);
	X509_NAME_free(issuer);
	ASN1_TIME_free(t);
	EVP_PKEY_free(key);
	return (0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tls_ticket_terms terms = { .lifetime = INT64_MAX };
	uint8_t again[TLS_TICKET_NOTE_MAX];
	bool holds;
	int i;

	for (i = 0; i < 9; i++)
		terms.now = (int64_t)((uint64_t)terms.now << 8 |
				      (i < (int)size && i > 0 ? data[i] : 0));
	terms.store = none;
	holds = tls_ticket_holds(data, size, &terms);
	assert(!holds || (size >= 17 && data[0] == 1));
	terms.store = lists;
	assert(!tls_ticket_holds(data, size, &terms) || holds);
	if (size < 17 || size > sizeof(again))
		return (0);
	/* A note of nobody's certificates, judged at the time it was made. */
	memcpy(again, data, size);
	again[0] = 1;
	(void)tls_ticket_holds(again, size, &terms);
	terms.lifetime = 0;
	assert(!tls_ticket_holds(again, size, &terms));
	return (0);
}
