/*
 * Makes revocation lists of AWS-LC cheap to verify. It lets nobody replace its
 * functions (5.12), so a list that was prepared bears its own hash: in front of
 * the signature, as the parameters of the algorithm, where the part that is
 * signed has none. AWS-LC finds that the two algorithms differ before it hashes
 * anything, and asks what to make of that.
 */
#include "common/tls/revocation.h"

#include <openssl/bytestring.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/mem.h>
#include <openssl/obj.h>

/* A list as it is written, of elements: its algorithm stands in what is signed
 * (inner) and behind that (outer). */
struct list {
	CBS body, inner, outer, oid, signature;
};

/* How it is signed, if by a hash and a kind of key that need no parameters. */
struct method {
	const EVP_MD *md;
	int key_type;
};

static bool
find_method(const X509_CRL *crl, struct method *m)
{
	int md;

	if (OBJ_find_sigid_algs(
		X509_CRL_get_signature_nid(crl), &md, &m->key_type) != 1 ||
	    md == NID_undef || md == NID_md4 || md == NID_md5)
		return (false);
	m->md = EVP_get_digestbynid(md);
	return (m->md != NULL &&
		(m->key_type == EVP_PKEY_RSA || m->key_type == EVP_PKEY_EC));
}

static bool
split(struct list *l, CBS der)
{
	CBS all, body, outer;

	if (!CBS_get_asn1(&der, &all, CBS_ASN1_SEQUENCE) ||
	    !CBS_get_asn1_element(&all, &l->body, CBS_ASN1_SEQUENCE) ||
	    !CBS_get_asn1_element(&all, &l->outer, CBS_ASN1_SEQUENCE) ||
	    !CBS_get_asn1_element(&all, &l->signature, CBS_ASN1_BITSTRING))
		return (false);
	body = l->body;
	outer = l->outer;
	return (CBS_get_asn1(&body, &body, CBS_ASN1_SEQUENCE) &&
		CBS_get_optional_asn1(&body, NULL, NULL, CBS_ASN1_INTEGER) &&
		CBS_get_asn1_element(&body, &l->inner, CBS_ASN1_SEQUENCE) &&
		CBS_get_asn1(&outer, &outer, CBS_ASN1_SEQUENCE) &&
		CBS_get_asn1_element(&outer, &l->oid, CBS_ASN1_OBJECT));
}

/* Is it signed as it says, with no parameters? Else nothing can be: least of
 * all a list whose author has put a hash there. */
static bool
is_plain(const struct list *l)
{
	CBS algorithm = l->inner, oid, null;

	if (!CBS_mem_equal(
		&l->outer, CBS_data(&l->inner), CBS_len(&l->inner)) ||
	    !CBS_get_asn1(&algorithm, &algorithm, CBS_ASN1_SEQUENCE) ||
	    !CBS_get_asn1(&algorithm, &oid, CBS_ASN1_OBJECT))
		return (false);
	return (CBS_len(&algorithm) == 0 ||
		(CBS_get_asn1(&algorithm, &null, CBS_ASN1_NULL) &&
		    CBS_len(&null) == 0 && CBS_len(&algorithm) == 0));
}

/* A hash of no bytes is that of nothing. */
static bool
write_list(CBB *out, const struct list *l, const unsigned char *hash,
    unsigned hash_len)
{
	CBB all, algorithm;

	return (
	    CBB_add_asn1(out, &all, CBS_ASN1_SEQUENCE) &&
	    CBB_add_bytes(&all, CBS_data(&l->body), CBS_len(&l->body)) &&
	    CBB_add_asn1(&all, &algorithm, CBS_ASN1_SEQUENCE) &&
	    CBB_add_bytes(&algorithm, CBS_data(&l->oid), CBS_len(&l->oid)) &&
	    CBB_add_asn1_octet_string(&algorithm, hash, hash_len) &&
	    CBB_add_bytes(
		&all, CBS_data(&l->signature), CBS_len(&l->signature)) &&
	    CBB_flush(out));
}

static X509_CRL *
mark(const struct list *l, const EVP_MD *md)
{
	unsigned char hash[EVP_MAX_MD_SIZE];
	const uint8_t *der;
	unsigned hash_len = 0;
	X509_CRL *marked = NULL;
	CBB out;

	if (is_plain(l) && EVP_Digest(CBS_data(&l->body), CBS_len(&l->body),
			       hash, &hash_len, md, NULL) != 1)
		return (NULL);
	if (CBB_init(&out, CBS_len(&l->body) + CBS_len(&l->signature)) != 1)
		return (NULL);
	if (write_list(&out, l, hash, hash_len)) {
		der = CBB_data(&out);
		marked = d2i_X509_CRL(NULL, &der, (long)CBB_len(&out));
	}
	CBB_cleanup(&out);
	return (marked);
}

/* Once it is sorted, for which somebody must look, it stays so. */
static bool
sort(X509_CRL *crl)
{
	ASN1_INTEGER *any = ASN1_INTEGER_new();
	X509_REVOKED *entry;

	if (any == NULL)
		return (false);
	(void)X509_CRL_get0_by_serial(crl, &entry, any);
	ASN1_INTEGER_free(any);
	return (true);
}

X509_CRL *
revocation_prepare(X509_CRL *crl)
{
	unsigned char *der = NULL;
	X509_CRL *prepared = NULL;
	struct method m;
	struct list l;
	CBS bytes;
	int len;

	if (!find_method(crl, &m))
		return (sort(crl) && X509_CRL_up_ref(crl) == 1 ? crl : NULL);
	len = i2d_X509_CRL(crl, &der);
	if (len <= 0)
		return (NULL);
	CBS_init(&bytes, der, (size_t)len);
	if (split(&l, bytes))
		prepared = mark(&l, m.md);
	OPENSSL_free(der);
	if (prepared != NULL && !sort(prepared)) {
		X509_CRL_free(prepared);
		return (NULL);
	}
	return (prepared);
}

/* The hash that a list bears, if it is of the right length. */
static const ASN1_OCTET_STRING *
borne(const X509_ALGOR *algorithm, const struct method *m)
{
	const ASN1_OCTET_STRING *hash;
	const void *value;
	int type;

	X509_ALGOR_get0(NULL, &type, &value, algorithm);
	if (type != V_ASN1_OCTET_STRING)
		return (NULL);
	hash = value;
	return ((size_t)ASN1_STRING_length(hash) == EVP_MD_size(m->md) ? hash
								       : NULL);
}

bool
revocation_signed(X509_STORE_CTX *store)
{
	X509_CRL *crl = X509_STORE_CTX_get0_current_crl(store);
	X509 *issuer = X509_STORE_CTX_get0_current_issuer(store);
	EVP_PKEY *key = issuer != NULL ? X509_get0_pubkey(issuer) : NULL;
	const ASN1_BIT_STRING *signature;
	const ASN1_OCTET_STRING *hash;
	const X509_ALGOR *algorithm;
	EVP_PKEY_CTX *context;
	struct method m;
	bool good;

	if (crl == NULL || key == NULL || !find_method(crl, &m) ||
	    EVP_PKEY_id(key) != m.key_type)
		return (false);
	X509_CRL_get0_signature(crl, &signature, &algorithm);
	hash = borne(algorithm, &m);
	if (hash == NULL)
		return (false);
	ERR_clear_error();
	context = EVP_PKEY_CTX_new(key, NULL);
	good = context != NULL && EVP_PKEY_verify_init(context) == 1 &&
	       EVP_PKEY_CTX_set_signature_md(context, m.md) == 1 &&
	       EVP_PKEY_verify(context, ASN1_STRING_get0_data(signature),
		   (size_t)ASN1_STRING_length(signature),
		   ASN1_STRING_get0_data(hash),
		   (size_t)ASN1_STRING_length(hash)) == 1;
	EVP_PKEY_CTX_free(context);
	return (good);
}
