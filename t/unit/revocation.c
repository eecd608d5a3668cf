/*
 * Revocation lists that were prepared are believed as much as the library
 * believes them by itself: not when they were changed, nor when their author
 * has written into them what preparing might.
 */
#include "common/tls/revocation.h"

#include <openssl/asn1.h>
#include <openssl/evp.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#include "t/unit/keys.h"
#include "t/unit/tap.h"

#define DAY  (24 * 60 * 60)
#define MAX  2048
#define GOOD 7
#define GONE 8

/* Of a list that names two algorithms; OpenSSL goes by the second. */
#ifdef OPENSSL_IS_AWSLC
#define OF_TWO_MINDS X509_V_ERR_CRL_SIGNATURE_FAILURE
#else
#define OF_TWO_MINDS X509_V_OK
#endif

static EVP_PKEY *authority_key;
static X509 *authority;

/* Elements, one behind the other. */
struct der {
	unsigned char bytes[MAX];
	size_t len;
};

static void
add(struct der *d, const unsigned char *bytes, size_t len)
{
	if (d->len + len > sizeof(d->bytes))
		abort();
	memcpy(d->bytes + d->len, bytes, len);
	d->len += len;
}

static void
wrap(struct der *d, int tag, int class, const struct der *in)
{
	bool constructed = tag == V_ASN1_SEQUENCE;
	unsigned char head[16], *p = head;

	ASN1_put_object(&p, constructed, (int)in->len, tag, class);
	add(d, head, (size_t)(p - head));
	add(d, in->bytes, in->len);
}

/* Takes an element off what begins at *p; with_head: as it stands. */
static struct der
take(const unsigned char **p, const unsigned char *end, bool with_head)
{
	const unsigned char *start = *p, *body = *p;
	struct der d = { .len = 0 };
	int tag, class;
	long len;

	if ((ASN1_get_object(&body, &len, &tag, &class, end - start) & 0x80) !=
	    0)
		abort();
	*p = body + len;
	if (!with_head)
		start = body;
	add(&d, start, (size_t)(*p - start));
	return (d);
}

static X509 *
certify(EVP_PKEY *key, long serial, const char *cn, const char *constraints)
{
	X509 *cert = X509_new();
	X509_EXTENSION *ext = X509V3_EXT_conf_nid(
	    NULL, NULL, NID_basic_constraints, (char *)constraints);

	X509_set_version(cert, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(cert), serial);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN",
	    MBSTRING_ASC, (const unsigned char *)cn, -1, -1, 0);
	X509_set_issuer_name(
	    cert, X509_get_subject_name(authority != NULL ? authority : cert));
	X509_gmtime_adj(X509_getm_notBefore(cert), -DAY);
	X509_gmtime_adj(X509_getm_notAfter(cert), DAY);
	X509_set_pubkey(cert, key);
	if (ext == NULL || X509_add_ext(cert, ext, -1) != 1 ||
	    X509_sign(cert, authority_key, EVP_sha256()) <= 0)
		abort();
	X509_EXTENSION_free(ext);
	return (cert);
}

/* A list of the authority's: of the certificate GONE, or of none. */
static X509_CRL *
list_new(bool gone)
{
	X509_CRL *crl = X509_CRL_new();
	X509_REVOKED *entry = X509_REVOKED_new();
	ASN1_INTEGER *serial = ASN1_INTEGER_new();
	ASN1_TIME *t = X509_gmtime_adj(NULL, -DAY);

	X509_CRL_set_version(crl, X509_CRL_VERSION_2);
	X509_CRL_set_issuer_name(crl, X509_get_subject_name(authority));
	X509_CRL_set1_lastUpdate(crl, t);
	ASN1_INTEGER_set(serial, GONE);
	X509_REVOKED_set_serialNumber(entry, serial);
	X509_REVOKED_set_revocationDate(entry, t);
	X509_gmtime_adj(t, DAY);
	X509_CRL_set1_nextUpdate(crl, t);
	if (gone)
		X509_CRL_add0_revoked(crl, entry);
	else
		X509_REVOKED_free(entry);
	if (X509_CRL_sign(crl, authority_key, EVP_sha256()) <= 0)
		abort();
	ASN1_INTEGER_free(serial);
	ASN1_TIME_free(t);
	return (crl);
}

/* A list in its parts: what is signed, the algorithm, the signature. */
struct parts {
	struct der body, algorithm, signature;
};

static struct parts
split(X509_CRL *crl)
{
	unsigned char *bytes = NULL;
	int len = i2d_X509_CRL(crl, &bytes);
	const unsigned char *p = bytes;
	struct der all = take(&p, bytes + len, false);
	struct parts parts;

	p = all.bytes;
	parts.body = take(&p, all.bytes + all.len, true);
	parts.algorithm = take(&p, all.bytes + all.len, true);
	parts.signature = take(&p, all.bytes + all.len, true);
	OPENSSL_free(bytes);
	X509_CRL_free(crl);
	return (parts);
}

static X509_CRL *
join(const struct parts *parts)
{
	struct der all = { .len = 0 }, list = { .len = 0 };
	const unsigned char *p = list.bytes;
	X509_CRL *crl;

	add(&all, parts->body.bytes, parts->body.len);
	add(&all, parts->algorithm.bytes, parts->algorithm.len);
	add(&all, parts->signature.bytes, parts->signature.len);
	wrap(&list, V_ASN1_SEQUENCE, V_ASN1_UNIVERSAL, &all);
	crl = d2i_X509_CRL(NULL, &p, (long)list.len);
	if (crl == NULL)
		abort();
	return (crl);
}

/* The algorithm with the hash of those bytes for its parameters. */
static struct der
mark(const struct der *algorithm, const struct der *hashed)
{
	const unsigned char *p = algorithm->bytes, *end = p + algorithm->len;
	struct der inner = take(&p, end, false), marked = { .len = 0 };
	struct der hash = { .len = 0 }, marks;
	unsigned len;

	if (EVP_Digest(hashed->bytes, hashed->len, hash.bytes, &len,
		EVP_sha256(), NULL) != 1)
		abort();
	hash.len = len;
	p = inner.bytes;
	marks = take(&p, inner.bytes + inner.len, true);
	wrap(&marks, V_ASN1_OCTET_STRING, V_ASN1_UNIVERSAL, &hash);
	wrap(&marked, V_ASN1_SEQUENCE, V_ASN1_UNIVERSAL, &marks);
	return (marked);
}

/* What is signed, with another algorithm in it, which is its second element. */
static struct der
say(const struct der *body, const struct der *algorithm)
{
	const unsigned char *p = body->bytes;
	struct der in = take(&p, p + body->len, false), out, all = { .len = 0 };

	p = in.bytes;
	out = take(&p, in.bytes + in.len, true);
	(void)take(&p, in.bytes + in.len, true);
	add(&out, algorithm->bytes, algorithm->len);
	add(&out, p, (size_t)(in.bytes + in.len - p));
	wrap(&all, V_ASN1_SEQUENCE, V_ASN1_UNIVERSAL, &out);
	return (all);
}

static int
judge(int ok, X509_STORE_CTX *store)
{
	if (ok == 1 ||
	    X509_STORE_CTX_get_error(store) !=
		X509_V_ERR_CRL_SIGNATURE_FAILURE ||
	    !revocation_signed(store))
		return (ok);
	X509_STORE_CTX_set_error(store, X509_V_OK);
	return (1);
}

/* What becomes of a certificate of that number where the list, which is freed,
 * is in the store. */
static int
verify(X509_CRL *crl, long serial)
{
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	X509_STORE *store = X509_STORE_new();
	X509_CRL *prepared = revocation_prepare(crl);
	EVP_PKEY *key = key_p256();
	X509 *cert = certify(key, serial, "client", "CA:FALSE");
	int error;

	if (prepared == NULL || X509_STORE_add_cert(store, authority) != 1 ||
	    X509_STORE_add_crl(store, prepared) != 1 ||
	    X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK) != 1 ||
	    X509_STORE_CTX_init(ctx, store, cert, NULL) != 1)
		abort();
	X509_STORE_CTX_set_verify_cb(ctx, judge);
	error = X509_verify_cert(ctx) == 1 ? X509_V_OK
					   : X509_STORE_CTX_get_error(ctx);
	X509_STORE_CTX_free(ctx);
	X509_STORE_free(store);
	X509_CRL_free(prepared);
	X509_CRL_free(crl);
	X509_free(cert);
	EVP_PKEY_free(key);
	return (error);
}

static void
test_kind(EVP_PKEY *key)
{
	struct parts real, forged;

	authority_key = key;
	authority = NULL;
	authority = certify(key, 1, "authority", "CA:TRUE");
	is_int(verify(list_new(true), GOOD), X509_V_OK, "not on the list");
	is_int(verify(list_new(true), GONE), X509_V_ERR_CERT_REVOKED,
	    "on the list");
	is_int(verify(list_new(false), GONE), X509_V_OK, "an empty list");

	real = split(list_new(true));
	is_int(verify(join(&real), GONE), X509_V_ERR_CERT_REVOKED,
	    "taken apart and put together");
	forged = split(list_new(false));
	forged.signature = real.signature;
	is_int(verify(join(&forged), GONE), X509_V_ERR_CRL_SIGNATURE_FAILURE,
	    "with the signature of another list");
	forged.algorithm = mark(&real.algorithm, &real.body);
	is_int(verify(join(&forged), GONE), X509_V_ERR_CRL_SIGNATURE_FAILURE,
	    "and its hash, too");
	forged.body = say(&forged.body, &forged.algorithm);
	is_int(verify(join(&forged), GONE), X509_V_ERR_CRL_SIGNATURE_FAILURE,
	    "and the hash within what should be signed");

	real.algorithm = mark(&real.algorithm, &real.body);
	is_int(verify(join(&real), GOOD), OF_TWO_MINDS,
	    "its own hash behind what is signed");
	X509_free(authority);
	EVP_PKEY_free(key);
}

int
main(void)
{
	printf("# ECDSA\n");
	test_kind(key_p256());
	printf("# RSA\n");
	test_kind(key_new(EVP_PKEY_RSA, 2048));
	return (done_testing());
}
