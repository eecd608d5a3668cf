/* Which public keys of certificates are cheap to decode and to use. */
#include "worker/tls/certificates.h"
#include "worker/tls/judge.h"

static const struct der_oid rsa = { 9, "\x2a\x86\x48\x86\xf7\x0d\1\1\1" };
static const struct der_oid rsa_pss = { 9, "\x2a\x86\x48\x86\xf7\x0d\1\1\x0a" };
static const struct der_oid ec = { 7, "\x2a\x86\x48\xce\x3d\2\1" };
static const struct der_oid ed25519 = { 3, "\x2b\x65\x70" };
static const struct der_oid ed448 = { 3, "\x2b\x65\x71" };

/* P-256, P-384 and P-521. */
static const struct der_oid curves[] = {
	{ 8, "\x2a\x86\x48\xce\x3d\3\1\7" },
	{ 5, "\x2b\x81\4\0\x22" },
	{ 5, "\x2b\x81\4\0\x23" },
};

/* The bits of a positive number. */
static bool
take_bits(struct judge *j, struct der *rest, size_t *bits)
{
	struct der n;
	uint8_t top;

	if (!judge_take(j, rest, DER_INTEGER, &n))
		return (false);
	if (n.len == 0 || (n.at[0] & 0x80) != 0)
		return (judge_refuse(j, JUDGE_MALFORMED));
	while (n.len > 0 && n.at[0] == 0) {
		n.at++;
		n.len--;
	}
	*bits = n.len * 8;
	for (top = 0x80; n.len > 0 && (n.at[0] & top) == 0; top >>= 1)
		(*bits)--;
	return (true);
}

static bool
judge_rsa(struct judge *j, struct der key)
{
	struct der numbers;
	size_t modulus, exponent;

	/* The first byte: how many of the last one's bits are unused. */
	if (!der_next_is(&key, 0))
		return (judge_refuse(j, JUDGE_MALFORMED));
	key.at++;
	key.len--;
	if (!judge_take(j, &key, DER_SEQUENCE, &numbers) ||
	    !judge_at_end(j, &key) || !take_bits(j, &numbers, &modulus) ||
	    !take_bits(j, &numbers, &exponent) || !judge_at_end(j, &numbers))
		return (false);
	if (modulus > CERTIFICATES_MODULUS_MAX)
		return (judge_refuse(
		    j, "a certificate's RSA key is longer than 16384 bits"));
	if (exponent > CERTIFICATES_EXPONENT_MAX)
		return (judge_refuse(j, "a certificate's RSA key has an "
					"exponent of more than 64 bits"));
	return (true);
}

_Static_assert(
    CERTIFICATES_MODULUS_MAX == 16384 && CERTIFICATES_EXPONENT_MAX == 64,
    "as the texts say");

/* With explicit parameters a point that is compressed takes a square root
 * modulo whatever number the client likes. */
static bool
judge_curve(struct judge *j, struct der parameters)
{
	struct der curve;
	uint8_t tag;

	if (!judge_take_any(j, &parameters, &tag, &curve) ||
	    !judge_at_end(j, &parameters))
		return (false);
	if (tag == DER_OID && der_is_among(curve, curves, DER_COUNT(curves)))
		return (true);
	return (judge_refuse(
	    j, "a certificate's EC key is not on P-256, P-384 or P-521"));
}

bool
judge_key(struct judge *j, struct der *rest)
{
	struct der info, algorithm, id, key;

	if (!judge_take(j, rest, DER_SEQUENCE, &info) ||
	    !judge_take(j, &info, DER_SEQUENCE, &algorithm) ||
	    !judge_take(j, &info, DER_BITS, &key) || !judge_at_end(j, &info) ||
	    !judge_take(j, &algorithm, DER_OID, &id))
		return (false);
	if (der_is_oid(id, &ec))
		return (judge_curve(j, algorithm));
	if (!judge_walk(j, algorithm))
		return (false);
	if (der_is_oid(id, &rsa) || der_is_oid(id, &rsa_pss))
		return (judge_rsa(j, key));
	if (der_is_oid(id, &ed25519) || der_is_oid(id, &ed448))
		return (true);
	return (judge_refuse(
	    j, "a certificate's key is not RSA, EC, Ed25519 or Ed448"));
}
