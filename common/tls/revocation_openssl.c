/* Makes revocation lists of OpenSSL cheap to verify and to search. */
#include "common/tls/revocation.h"

#include <openssl/asn1.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/x509v3.h>
#include <stdbool.h>
#include <stdlib.h>

/* What OpenSSL's own functions are replaced for. */
struct prepared {
	X509_CRL_METHOD *method; /* of this list alone */
	const EVP_MD *md;
	int key_type; /* that the signature needs */
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned digest_len;
};

/*
 * By which hash and for which kind of key the list is signed. False: by one
 * that cannot be hashed before (Ed25519, Ed448), or that has parameters
 * (RSA-PSS).
 */
static bool
find_algorithm(const X509_CRL *crl, struct prepared *p)
{
	int md, key;

	if (OBJ_find_sigid_algs(X509_CRL_get_signature_nid(crl), &md, &key) !=
		1 ||
	    md == NID_undef)
		return (false);
	p->md = EVP_get_digestbynid(md);
	p->key_type = EVP_PKEY_type(key);
	return (p->md != NULL &&
		(p->key_type == EVP_PKEY_RSA || p->key_type == EVP_PKEY_EC));
}

/* The first element within the list is what is signed. */
static bool
digest(struct prepared *p, const unsigned char *der, int len)
{
	const unsigned char *at = der, *inner;
	long outer_len, inner_len;
	int tag, class;

	if ((ASN1_get_object(&at, &outer_len, &tag, &class, len) & 0x80) != 0)
		return (false);
	inner = at;
	if ((ASN1_get_object(&at, &inner_len, &tag, &class, outer_len) &
		0x80) != 0)
		return (false);
	return (EVP_Digest(inner, (size_t)(at - inner + inner_len), p->digest,
		    &p->digest_len, p->md, NULL) == 1);
}

/* As OpenSSL does it, but that the hash is there. 1: it is good. */
static int
verify(X509_CRL *crl, EVP_PKEY *key)
{
	const struct prepared *p = X509_CRL_get_meth_data(crl);
	const ASN1_BIT_STRING *signature;
	EVP_PKEY_CTX *context;
	int good = 0;

	if (EVP_PKEY_get_base_id(key) != p->key_type)
		return (0);
	X509_CRL_get0_signature(crl, &signature, NULL);
	context = EVP_PKEY_CTX_new(key, NULL);
	if (context != NULL && EVP_PKEY_verify_init(context) == 1 &&
	    EVP_PKEY_CTX_set_signature_md(context, p->md) == 1)
		good = EVP_PKEY_verify(context, signature->data,
		    (size_t)signature->length, p->digest, p->digest_len);
	EVP_PKEY_CTX_free(context);
	return (good == 1);
}

static int
compare(const X509_REVOKED *const *a, const X509_REVOKED *const *b)
{
	return (ASN1_INTEGER_cmp(X509_REVOKED_get0_serialNumber(*a),
	    X509_REVOKED_get0_serialNumber(*b)));
}

/* Takes no memory, since to find nothing means that it is not revoked. */
static int
look_up(X509_CRL *crl, X509_REVOKED **entry, const ASN1_INTEGER *serial,
    const X509_NAME *issuer)
{
	STACK_OF(X509_REVOKED) *list = X509_CRL_get_REVOKED(crl);
	int low = 0, high = sk_X509_REVOKED_num(list), at, order;
	X509_REVOKED *found;

	while (low < high) {
		at = low + (high - low) / 2;
		found = sk_X509_REVOKED_value(list, at);
		order = ASN1_INTEGER_cmp(
		    X509_REVOKED_get0_serialNumber(found), serial);
		if (order == 0) {
			if (entry != NULL)
				*entry = found;
			return (1);
		}
		if (order < 0)
			low = at + 1;
		else
			high = at;
	}
	return (0);
}

/* OpenSSL also frees what it is about to read, which has no data yet. */
static int
forget(X509_CRL *crl)
{
	struct prepared *p = X509_CRL_get_meth_data(crl);

	if (p == NULL)
		return (1);
	X509_CRL_METHOD_free(p->method);
	free(p);
	return (1);
}

/* Does an entry say whose certificate it is? Then it is an indirect list, or
 * means to be one. */
static bool
is_indirect(X509_CRL *crl)
{
	STACK_OF(X509_REVOKED) *list = X509_CRL_get_REVOKED(crl);
	int i;

	for (i = 0; i < sk_X509_REVOKED_num(list); i++)
		if (X509_REVOKED_get_ext_by_NID(sk_X509_REVOKED_value(list, i),
			NID_certificate_issuer, -1) >= 0)
			return (true);
	return (false);
}

/* Reads it anew, since a method is chosen before. */
static X509_CRL *
read_anew(struct prepared *p, const unsigned char *der, int len)
{
	STACK_OF(X509_REVOKED) * list;
	X509_CRL *crl;

	p->method = X509_CRL_METHOD_new(NULL, forget, look_up, verify);
	if (p->method == NULL)
		return (NULL);
	X509_CRL_set_default_method(p->method);
	crl = d2i_X509_CRL(NULL, &der, len);
	X509_CRL_set_default_method(NULL);
	if (crl == NULL) {
		X509_CRL_METHOD_free(p->method);
		return (NULL);
	}
	X509_CRL_set_meth_data(crl, p);
	list = X509_CRL_get_REVOKED(crl);
	/* An empty one is none. */
	if (list != NULL) {
		(void)sk_X509_REVOKED_set_cmp_func(list, compare);
		sk_X509_REVOKED_sort(list);
	}
	return (crl);
}

/* With OpenSSL's own functions; once it is sorted it stays so. */
static X509_CRL *
take_as_it_is(X509_CRL *crl)
{
	X509_REVOKED *entry;
	ASN1_INTEGER *any = ASN1_INTEGER_new();

	if (any == NULL)
		return (NULL);
	(void)X509_CRL_get0_by_serial(crl, &entry, any);
	ASN1_INTEGER_free(any);
	return (X509_CRL_up_ref(crl) == 1 ? crl : NULL);
}

X509_CRL *
revocation_prepare(X509_CRL *crl)
{
	struct prepared *p = calloc(1, sizeof(*p));
	unsigned char *der = NULL;
	X509_CRL *prepared = NULL;
	int len;

	if (p == NULL || !find_algorithm(crl, p) || is_indirect(crl)) {
		free(p);
		return (take_as_it_is(crl));
	}
	len = i2d_X509_CRL(crl, &der);
	if (len > 0 && digest(p, der, len))
		prepared = read_anew(p, der, len);
	OPENSSL_free(der);
	if (prepared == NULL)
		free(p);
	return (prepared);
}

/* Its own answer is that of verify(). */
bool
revocation_signed(X509_STORE_CTX *store)
{
	return (false);
}
