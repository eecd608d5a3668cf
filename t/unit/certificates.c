/* What certificates_judge() lets through to OpenSSL, and what it does not. */
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

#include "t/unit/keys.h"
#include "t/unit/tap.h"
#include "worker/tls/certificates.h"

#define MESSAGE_MAX (128 * 1024)

/* Bytes that grow at their end. */
struct text {
	uint8_t bytes[MESSAGE_MAX];
	size_t len;
};

static void
add(struct text *t, const void *bytes, size_t len)
{
	if (len > sizeof(t->bytes) - t->len)
		abort();
	if (len > 0)
		memcpy(t->bytes + t->len, bytes, len);
	t->len += len;
}

static void
add_length(struct text *t, unsigned bytes, size_t len)
{
	uint8_t byte;

	while (bytes-- > 0) {
		byte = (uint8_t)(len >> (8 * bytes));
		add(t, &byte, 1);
	}
}

/* An element of DER. */
static void
der(struct text *t, uint8_t tag, const void *body, size_t len)
{
	unsigned n = len < 0x80 ? 0 : len < 0x100 ? 1 : len < 0x10000 ? 2 : 3;
	uint8_t first = (uint8_t)(0x80 + n);

	add(t, &tag, 1);
	if (n > 0)
		add(t, &first, 1);
	add_length(t, n > 0 ? n : 1, len);
	add(t, body, len);
}

static void
wrap(struct text *t, uint8_t tag)
{
	static struct text inside;

	inside = *t;
	t->len = 0;
	der(t, tag, inside.bytes, inside.len);
}

static void
repeat(struct text *t, unsigned n, const void *bytes, size_t len)
{
	t->len = 0;
	while (n-- > 0)
		add(t, bytes, len);
}

/* What a certificate is made of; NULL: something harmless. */
struct parts {
	const struct text *issuer, *subject, *key, *extensions;
	const char *behind; /* the content, within the certificate */
};

#define ALGORITHM "\x30\x0a\6\x08\x2a\x86\x48\xce\x3d\4\3\2"
#define DATES                   \
	"\x30\x1e\x17\x0d"      \
	"260101000000Z\x17\x0d" \
	"270101000000Z"
#define NAME "\x30\x0c\x31\x0a\x30\x08\6\3\x55\4\3\x0c\1a"
#define ED25519                                  \
	"\x30\x2a\x30\5\6\3\x2b\x65\x70\3\x21\0" \
	"0123456789abcdef0123456789abcdef"

#define ADD(t, literal) add(t, literal, sizeof(literal) - 1)

static void
part(struct text *t, const struct text *given, const char *other, size_t len)
{
	if (given != NULL)
		add(t, given->bytes, given->len);
	else
		add(t, other, len);
}

static void
make(struct text *t, const struct parts *p)
{
	t->len = 0;
	ADD(t, "\xa0\3\2\1\2\2\1\1" ALGORITHM);
	part(t, p->issuer, NAME, sizeof(NAME) - 1);
	ADD(t, DATES);
	part(t, p->subject, NAME, sizeof(NAME) - 1);
	part(t, p->key, ED25519, sizeof(ED25519) - 1);
	part(t, p->extensions, "", 0);
	wrap(t, 0x30);
	ADD(t, ALGORITHM "\3\3\0\x30\0");
	if (p->behind != NULL)
		add(t, p->behind, strlen(p->behind));
	wrap(t, 0x30);
}

static bool decodable; /* what was last judged */

/* A Certificate message with that certificate n times. */
static const char *
judge_list(const struct text *one, unsigned n, bool tls13)
{
	static struct text list, message;
	const char *why;
	uint8_t *copy;

	list.len = message.len = 0;
	while (n-- > 0) {
		add_length(&list, 3, one->len);
		add(&list, one->bytes, one->len);
		add_length(&list, tls13 ? 2 : 0, 0);
	}
	add_length(&message, tls13 ? 1 : 0, 0);
	add_length(&message, 3, list.len);
	add(&message, list.bytes, list.len);
	/* On the heap, so that a sanitizer sees one byte too many. */
	copy = malloc(message.len);
	if (copy == NULL)
		abort();
	memcpy(copy, message.bytes, message.len);
	why = certificates_judge(copy, message.len, tls13, &decodable);
	free(copy);
	return (why);
}

static void
judged(const char *what, const struct text *one, unsigned n, const char *want)
{
	is_str(judge_list(one, n, false), want, what);
	is_str(judge_list(one, n, true), want, "... of TLS 1.3");
}

static void
made(const char *what, const struct parts *p, const char *want)
{
	static struct text one;

	make(&one, p);
	judged(what, &one, 1, want);
}

#define MALFORMED "a certificate of the chain is malformed"
#define ELEMENTS  "the chain has more than 4096 DER elements"

static void
key(const char *what, const char *bytes, size_t len, const char *want)
{
	static struct text t;

	t.len = 0;
	add(&t, bytes, len);
	made(what, &(struct parts){ .key = &t }, want);
}

#define KEY(what, bytes, want) key(what, bytes, sizeof(bytes) - 1, want)
#define CURVE		       "a certificate's EC key is not on P-256, P-384 or P-521"
#define KIND		       "a certificate's key is not RSA, EC, Ed25519 or Ed448"
#define EC		       "\6\7\x2a\x86\x48\xce\x3d\2\1"

/* The keys themselves are not looked at where that is not needed. */
static void
kinds_of_keys(void)
{
	KEY("EC on P-256",
	    "\x30\x19\x30\x13" EC "\6\x08\x2a\x86\x48\xce\x3d\3\1\7\3\2\0\2",
	    NULL);
	KEY("EC on P-384", "\x30\x16\x30\x10" EC "\6\5\x2b\x81\4\0\x22\3\2\0\2",
	    NULL);
	KEY("EC on P-521", "\x30\x16\x30\x10" EC "\6\5\x2b\x81\4\0\x23\3\2\0\2",
	    NULL);
	KEY("EC on P-224", "\x30\x16\x30\x10" EC "\6\5\x2b\x81\4\0\x21\3\2\0\2",
	    CURVE);
	KEY("EC on a curve with explicit parameters",
	    "\x30\x14\x30\x0e" EC "\x30\3\2\1\1\3\2\0\2", CURVE);
	KEY("EC on its issuer's curve", "\x30\x11\x30\x0b" EC "\5\0\3\2\0\2",
	    CURVE);
	KEY("EC without a curve", "\x30\x0f\x30\x09" EC "\3\2\0\2", MALFORMED);
	KEY("EC on two curves",
	    "\x30\x1d\x30\x17" EC
	    "\6\5\x2b\x81\4\0\x22\6\5\x2b\x81\4\0\x23\3\2\0\2",
	    MALFORMED);
	KEY("Ed448", "\x30\x0b\x30\5\6\3\x2b\x65\x71\3\2\0\2", NULL);
	KEY("X25519", "\x30\x0b\x30\5\6\3\x2b\x65\x6e\3\2\0\2", KIND);
	KEY("DSA", "\x30\x0f\x30\x09\6\7\x2a\x86\x48\xce\x38\4\1\3\2\0\2",
	    KIND);
	KEY("a key of no kind", "\x30\6\x30\0\3\2\0\2", MALFORMED);
}

/* An RSA key whose numbers have so many bits. */
static void
rsa(const char *what, size_t modulus, size_t exponent, bool pss,
    const char *want)
{
	static struct text t, number;
	size_t bits[] = { modulus, exponent }, i, j;
	uint8_t top;

	t.len = 0;
	for (i = 0; i < 2; i++) {
		number.len = 0;
		if (bits[i] % 8 == 0)
			ADD(&number, "\0");
		top = (uint8_t)(1 << ((bits[i] - 1) % 8));
		add(&number, &top, 1);
		for (j = 0; j < (bits[i] - 1) / 8; j++)
			ADD(&number, "\1");
		der(&t, 0x02, number.bytes, number.len);
	}
	wrap(&t, 0x30);
	number = t;
	t.len = 0;
	ADD(&t, "\0");
	add(&t, number.bytes, number.len);
	wrap(&t, 0x03);
	number = t;
	t.len = 0;
	if (pss)
		ADD(&t, "\x30\x0b\6\x09\x2a\x86\x48\x86\xf7\x0d\1\1\x0a");
	else
		ADD(&t, "\x30\x0d\6\x09\x2a\x86\x48\x86\xf7\x0d\1\1\1\5\0");
	add(&t, number.bytes, number.len);
	wrap(&t, 0x30);
	made(what, &(struct parts){ .key = &t }, want);
}

static void
rsa_keys(void)
{
	const char *modulus = "a certificate's RSA key is longer than 16384 "
			      "bits";
	const char *exponent = "a certificate's RSA key has an exponent of "
			       "more than 64 bits";

	rsa("RSA of 2048 bits", 2048, 17, false, NULL);
	rsa("RSA of 8192 bits", 8192, 17, false, NULL);
	rsa("RSA-PSS of 3072 bits", 3072, 2, true, NULL);
	rsa("RSA of 16384 bits", 16384, 64, false, NULL);
	rsa("RSA of 16385 bits", 16385, 17, false, modulus);
	rsa("RSA-PSS of 16385 bits", 16385, 17, true, modulus);
	rsa("RSA with an exponent of 65 bits", 2048, 65, false, exponent);
	KEY("RSA with a negative modulus",
	    "\x30\x1a\x30\x0d\6\x09\x2a\x86\x48\x86\xf7\x0d\1\1\1\5\0"
	    "\3\x09\0\x30\6\2\1\x80\2\1\3",
	    MALFORMED);
	KEY("RSA without an exponent",
	    "\x30\x17\x30\x0d\6\x09\x2a\x86\x48\x86\xf7\x0d\1\1\1\5\0"
	    "\3\6\0\x30\3\2\1\3",
	    MALFORMED);
}

static void
names(void)
{
	static const char one[] = "\x30\x08\6\3\x55\4\3\x0c\1a";
	static const char rdn[] = "\x31\x0a\x30\x08\6\3\x55\4\3\x0c\1a";
	const char *many =
	    "a certificate has a name of more than 64 attributes";
	static struct text t;

	t.len = 0;
	wrap(&t, 0x30);
	made("an empty subject", &(struct parts){ .subject = &t }, NULL);
	repeat(&t, 64, rdn, sizeof(rdn) - 1);
	wrap(&t, 0x30);
	made("an issuer of 64 RDNs", &(struct parts){ .issuer = &t }, NULL);
	repeat(&t, 65, rdn, sizeof(rdn) - 1);
	wrap(&t, 0x30);
	made("an issuer of 65 RDNs", &(struct parts){ .issuer = &t }, many);
	made("a subject of 65 RDNs", &(struct parts){ .subject = &t }, many);
	repeat(&t, 65, one, sizeof(one) - 1);
	wrap(&t, 0x31);
	wrap(&t, 0x30);
	made("a subject of one RDN with 65 attributes",
	    &(struct parts){ .subject = &t }, many);
	repeat(&t, 1, "\x31\0", 2);
	wrap(&t, 0x30);
	made("an RDN of nothing", &(struct parts){ .subject = &t }, MALFORMED);
	repeat(&t, 1, "\x31\x0c\x30\x0a\6\3\x55\4\3\x2c\3\x0c\1a", 14);
	wrap(&t, 0x30);
	made("a string in pieces", &(struct parts){ .subject = &t }, MALFORMED);
}

/* Extensions of that id and value; of several, each has one more arc. */
static void
extensions(struct text *t, unsigned n, const char *id, const struct text *value)
{
	static struct text one;
	uint8_t arcs[16];
	unsigned i;

	memcpy(arcs, id, strlen(id));
	t->len = 0;
	for (i = 0; i < n; i++) {
		one.len = 0;
		arcs[strlen(id)] = (uint8_t)i;
		der(&one, 0x06, arcs, strlen(id) + (n > 1));
		der(&one, 0x04, value->bytes, value->len);
		wrap(&one, 0x30);
		add(t, one.bytes, one.len);
	}
	wrap(t, 0x30);
	wrap(t, 0xa3);
}

static void
extension(const char *what, const char *id, const struct text *value,
    const char *want)
{
	static struct text t;

	extensions(&t, 1, id, value);
	made(what, &(struct parts){ .extensions = &t }, want);
}

#define NAMES	"\x55\x1d\x11"
#define POINTS	"\x55\x1d\x1f"
#define UNKNOWN "\x2a\3\4"

static void
extensions_of_all_kinds(void)
{
	static struct text t, value;
	static const char dns[] = "\x82\x0d"
				  "a.example.com";
	unsigned i;

	value.len = 0;
	extensions(&t, 64, UNKNOWN, &value);
	made("64 extensions", &(struct parts){ .extensions = &t }, NULL);
	extensions(&t, 65, UNKNOWN, &value);
	made("65 extensions", &(struct parts){ .extensions = &t },
	    "a certificate has more than 64 extensions");

	repeat(&value, 1000, dns, sizeof(dns) - 1);
	wrap(&value, 0x30);
	extension("1000 alternative names", NAMES, &value, NULL);
	repeat(&value, 4097, "\x82\0", 2);
	wrap(&value, 0x30);
	extension("4097 alternative names", NAMES, &value, ELEMENTS);
	extension("as much where nobody looks", UNKNOWN, &value, NULL);
	extension(
	    "4097 elements of PKIX", "\x2b\6\1\5\5\7\1\7", &value, ELEMENTS);
	extension("4097 elements of Netscape's",
	    "\x60\x86\x48\1\x86\xf8\x42\1\1", &value, ELEMENTS);
	repeat(&value, 1, "not DER", 7);
	extension("no DER where nobody looks", UNKNOWN, &value, NULL);
	extension("no DER in what OpenSSL decodes", NAMES, &value, MALFORMED);
	repeat(&value, 1, "\x30\x80\0\0", 4);
	extension("an indefinite length", NAMES, &value, MALFORMED);

	repeat(&value, 1, "\5\0", 2);
	for (i = 0; i < 15; i++)
		wrap(&value, 0x30);
	extension("16 deep", "\x55\x1d\x20", &value, NULL);
	wrap(&value, 0x30);
	extension("17 deep", NAMES, &value,
	    "an extension of a certificate is nested too deeply");
}

static void
judge_bytes(const char *what, const char *bytes, size_t len, bool tls13,
    const char *want)
{
	uint8_t *copy = malloc(len > 0 ? len : 1);

	if (copy == NULL)
		abort();
	if (len > 0)
		memcpy(copy, bytes, len);
	is_str(certificates_judge(copy, len, tls13, &decodable), want, what);
	free(copy);
}

#define BYTES(what, bytes, tls13, want) \
	judge_bytes(what, bytes, sizeof(bytes) - 1, tls13, want)

#define TWICE	   "a certificate of the chain has an extension twice"
#define NOT_DER	   "a certificate of the chain is not in strict DER"
#define EXTENSION  "a certificate of the chain has a malformed extension"
#define SAN(value) "\6\3" NAMES "\4" value
#define LIST                 \
	"\x0a\x30\x08\x82\6" \
	"a.test"

/* To decode them is cheap; to believe them would be a mistake. */
static void
doubted(const char *what, const char *list, size_t len, const char *want)
{
	static struct text t;

	repeat(&t, 1, list, len);
	wrap(&t, 0x30);
	wrap(&t, 0xa3);
	made(what, &(struct parts){ .extensions = &t }, want);
	ok(decodable, "... and cheap");
}

#define DOUBTED(what, list, want) doubted(what, list, sizeof(list) - 1, want)

static void
extensions_in_strict_der(void)
{
	DOUBTED("a name", "\x30\x11" SAN(LIST), NULL);
	DOUBTED("a critical one", "\x30\x14\6\3" NAMES "\1\1\xff\4" LIST, NULL);
	DOUBTED("critical by a byte of 1", "\x30\x14\6\3" NAMES "\1\1\1\4" LIST,
	    NOT_DER);
	DOUBTED("FALSE, which is the default",
	    "\x30\x14\6\3" NAMES "\1\1\0\4" LIST, NOT_DER);
	DOUBTED("two lists of names", "\x30\x11" SAN(LIST) "\x30\x11" SAN(LIST),
	    TWICE);
	DOUBTED("the same unknown extension twice",
	    "\x30\6\6\2\x2a\3\4\0\x30\6\6\2\x2a\3\4\0", TWICE);
	DOUBTED("an empty value", "\x30\7" SAN("\0"), EXTENSION);
	DOUBTED("bytes behind the value", "\x30\x0b" SAN("\4\x30\0\5\0"),
	    EXTENSION);
	DOUBTED("names that are no list", "\x30\x09" SAN("\2\5\0"), EXTENSION);
	DOUBTED("a DNS name in pieces",
	    "\x30\x13" SAN("\x0c\x30\x0a\xa2\x08\x16\2ab\x16\2.c"), NOT_DER);
	DOUBTED("a URI in pieces",
	    "\x30\x13" SAN("\x0c\x30\x0a\xa6\x08\4\2ab\4\2.c"), NOT_DER);
	DOUBTED(
	    "a name of no type", "\x30\x0c" SAN("\5\x30\3\x89\1a"), EXTENSION);
	DOUBTED("a BOOLEAN of 1 in a value",
	    "\x30\x0c\6\3\x55\x1d\x13\4\5\x30\3\1\1\1", NOT_DER);
	DOUBTED("an OCTET STRING in pieces in a value",
	    "\x30\x0c\6\3\x55\x1d\x0e\4\5\x24\3\4\1x", NOT_DER);
	DOUBTED("a primitive SEQUENCE in a value",
	    "\x30\x09\6\3\x55\x1d\x13\4\2\x10\0", NOT_DER);
	BYTES("what is not cheap", "\0\0\3\0\0\0", false, MALFORMED);
	ok(!decodable, "is not decoded");
}

static void
distribution_points(void)
{
	const char *relative = "a certificate's CRL distribution points have "
			       "relative names";
	static struct text value;

	repeat(&value, 20, "\x30\x0d\xa0\x0b\xa0\x09\x86\7http://", 15);
	wrap(&value, 0x30);
	extension("20 distribution points with URIs", POINTS, &value, NULL);
	repeat(&value, 1,
	    "\x30\x0d\xa0\x0b\xa0\x09\x86\7http://"
	    "\x30\x0e\xa0\x0c\xa1\x0a\x30\x08\6\3\x55\4\3\x0c\1a",
	    31);
	wrap(&value, 0x30);
	extension(
	    "a second one with a relative name", POINTS, &value, relative);
	extension("... of freshest lists", "\x55\x1d\x2e", &value, relative);
	extension("... in another extension", "\x55\x1d\x20", &value, NULL);
	repeat(&value, 1, "\x30\0", 2);
	wrap(&value, 0x30);
	extension("one without a name", POINTS, &value, NULL);
}

static void
messages(void)
{
	static struct text one;
	size_t i, len;

	BYTES("no certificate", "\0\0\0", false, NULL);
	BYTES("no certificate, TLS 1.3", "\0\0\0\0", true, NULL);
	BYTES("nothing", "", false, MALFORMED);
	BYTES("nothing, TLS 1.3", "", true, MALFORMED);
	BYTES("a list that is cut", "\0\0\1", false, MALFORMED);
	BYTES("a byte behind the list", "\0\0\0x", false, MALFORMED);
	BYTES("a context", "\1x\0\0\0", true, MALFORMED);
	BYTES("an empty certificate", "\0\0\3\0\0\0", false, MALFORMED);
	BYTES("no extensions", "\0\0\0\3\0\0\0", true, MALFORMED);

	make(&one, &(struct parts){ .behind = NULL });
	judged("16 certificates", &one, 16, NULL);
	judged("17 certificates", &one, 17,
	    "the chain has more than 16 certificates");
	/* Whatever is cut off. */
	for (i = 0, len = one.len; i < len; i++) {
		one.len = i;
		if (judge_list(&one, 1, false) == NULL)
			break;
	}
	is_int((int64_t)i, (int64_t)len, "a certificate that is cut anywhere");
	made("a byte behind the content", &(struct parts){ .behind = "\5" },
	    MALFORMED);
	repeat(&one, 1, "\x30\x80\0\0", 4);
	judged("of indefinite length", &one, 1, MALFORMED);
	repeat(&one, 1, "\x30\x81\2\5\0", 5);
	judged("its length in more bytes than needed", &one, 1, MALFORMED);
}

/* Extensions of a TLS 1.3 entry, which nobody has asked for. */
static void
entry_extensions(void)
{
	static struct text one, message;
	unsigned n, i;

	make(&one, &(struct parts){ .behind = NULL });
	for (n = 1; n <= 5000; n += 4999) {
		message.len = 0;
		add_length(&message, 1, 0);
		add_length(&message, 3, 3 + one.len + 2 + (size_t)n * 4);
		add_length(&message, 3, one.len);
		add(&message, one.bytes, one.len);
		add_length(&message, 2, (size_t)n * 4);
		for (i = 0; i < n; i++)
			add_length(&message, 4, 0);
		is_str(certificates_judge(
			   message.bytes, message.len, true, &decodable),
		    n == 1 ? NULL : ELEMENTS,
		    n == 1 ? "an extension of an entry" : "5000 of them");
	}
}

static EVP_PKEY *
compressed(int curve)
{
	EVP_PKEY *key = key_new(EVP_PKEY_EC, curve);

	if (!key_compress(key))
		abort();
	return (key);
}

static void
extend(X509 *cert, int nid, const char *value)
{
	X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

	if (ext == NULL || X509_add_ext(cert, ext, -1) != 1)
		abort();
	X509_EXTENSION_free(ext);
}

/* As OpenSSL makes them. */
static void
honest(const char *what, EVP_PKEY *pkey, const EVP_MD *md)
{
	static struct text one;
	X509 *cert = X509_new();
	uint8_t *bytes = one.bytes;

	if (cert == NULL || X509_set_version(cert, X509_VERSION_3) != 1 ||
	    X509_set_pubkey(cert, pkey) != 1 ||
	    X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN",
		MBSTRING_ASC, (const uint8_t *)"client", -1, -1, 0) != 1)
		abort();
	X509_gmtime_adj(X509_getm_notBefore(cert), 0);
	X509_gmtime_adj(X509_getm_notAfter(cert), 1000);
	extend(cert, NID_subject_alt_name,
	    "DNS:a.example.com,URI:spiffe://a/b,IP:::1,email:a@example.com,"
	    "otherName:1.2.3.4;UTF8:x");
	extend(cert, NID_basic_constraints, "critical,CA:TRUE,pathlen:1");
	extend(cert, NID_name_constraints,
	    "critical,permitted;DNS:example.com,excluded;email:example.org");
	extend(cert, NID_crl_distribution_points,
	    "URI:http://example.com/a.crl,URI:ldap://example.com/");
	extend(cert, NID_ext_key_usage, "clientAuth,serverAuth");
	extend(cert, NID_info_access, "OCSP;URI:http://example.com/");
	if (X509_sign(cert, pkey, md) <= 0)
		abort();
	one.len = (size_t)i2d_X509(cert, &bytes);
	judged(what, &one, 16, NULL);
	X509_free(cert);
	EVP_PKEY_free(pkey);
}

static void
honest_certificates(void)
{
	static const int curves[] = { NID_X9_62_prime256v1, NID_secp384r1,
		NID_secp521r1 };
	EVP_PKEY *key;
	size_t i;

	for (i = 0; i < 3; i++) {
		honest(OBJ_nid2sn(curves[i]), key_new(EVP_PKEY_EC, curves[i]),
		    EVP_sha256());
		honest("... compressed", compressed(curves[i]), EVP_sha256());
	}
	honest("Ed25519", key_new(EVP_PKEY_ED25519, 0), NULL);
	/* AWS-LC has none. */
	key = key_new(EVP_PKEY_ED448, 0);
	if (key != NULL)
		honest("Ed448", key, NULL);
	honest("RSA", key_new(EVP_PKEY_RSA, 2048), EVP_sha256());
}

int
main(void)
{
	kinds_of_keys();
	rsa_keys();
	names();
	extensions_of_all_kinds();
	extensions_in_strict_der();
	distribution_points();
	messages();
	entry_extensions();
	honest_certificates();
	return (done_testing());
}
