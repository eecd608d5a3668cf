/* Finds out what a chain of certificates would cost, at little cost. */
#include "worker/tls/certificates.h"

#include "worker/tls/judge.h"

/* id-ce-cRLDistributionPoints and id-ce-freshestCRL. */
static const struct der_oid points[] = {
	{ 3, "\x55\x1d\x1f" },
	{ 3, "\x55\x1d\x2e" },
};

/* id-ce, id-pe and Netscape's: below them is what OpenSSL decodes. */
static const struct der_oid decoded[] = {
	{ 2, "\x55\x1d" },
	{ 7, "\x2b\6\1\5\5\7\1" },
	{ 8, "\x60\x86\x48\1\x86\xf8\x42\1" },
};

static bool
is_decoded(struct der d)
{
	struct der arc = d;
	size_t i;

	for (i = 0; i < DER_COUNT(decoded); i++) {
		arc.len = decoded[i].len;
		if (d.len > arc.len && der_is_oid(arc, &decoded[i]))
			return (true);
	}
	return (false);
}

/* The value is a string of some type, in one piece. */
static bool
judge_attribute(struct judge *j, struct der *rdn)
{
	struct der attribute, type, value;
	uint8_t tag;

	if (!judge_take(j, rdn, DER_SEQUENCE, &attribute) ||
	    !judge_take(j, &attribute, DER_OID, &type) ||
	    !judge_take_any(j, &attribute, &tag, &value) ||
	    !judge_at_end(j, &attribute))
		return (false);
	return (tag < DER_CONSTRUCTED || judge_refuse(j, JUDGE_MALFORMED));
}

static bool
judge_name(struct judge *j, struct der *rest)
{
	struct der name, rdn = { NULL, 0 };
	unsigned n;

	if (!judge_take(j, rest, DER_SEQUENCE, &name))
		return (false);
	for (n = 0; name.len > 0 || rdn.len > 0; n++) {
		if (n == CERTIFICATES_ATTRIBUTES_MAX)
			return (judge_refuse(j, "a certificate has a name of "
						"more than 64 attributes"));
		if (rdn.len == 0 && !judge_take(j, &name, DER_SET, &rdn))
			return (false);
		if (!judge_attribute(j, &rdn))
			return (false);
	}
	return (true);
}

_Static_assert(CERTIFICATES_MAX == 16 && CERTIFICATES_ATTRIBUTES_MAX == 64 &&
		   CERTIFICATES_EXTENSIONS_MAX == 64,
    "as the texts say");

/*
 * OpenSSL (3.0, 3.5) copies the issuer's name for each point that is named
 * relatively to it. RFC 5280 section 4.2.1.13 advises against such names.
 */
static bool
has_relative_name(struct der value)
{
	struct der list, point, name;
	uint8_t tag;

	if (!der_take(&value, &tag, &list))
		return (false);
	while (der_take(&list, &tag, &point)) {
		if (der_take(&point, &tag, &name) &&
		    tag == (DER_CONTEXT | DER_CONSTRUCTED) &&
		    der_next_is(&name, (DER_CONTEXT | DER_CONSTRUCTED) + 1))
			return (true);
	}
	return (false);
}

static bool
judge_extension(struct judge *j, struct der *rest)
{
	struct der extension, id, critical, value;

	if (!judge_take(j, rest, DER_SEQUENCE, &extension) ||
	    !judge_take(j, &extension, DER_OID, &id) ||
	    (der_next_is(&extension, DER_BOOLEAN) &&
		!judge_take(j, &extension, DER_BOOLEAN, &critical)) ||
	    !judge_take(j, &extension, DER_OCTETS, &value) ||
	    !judge_at_end(j, &extension))
		return (false);
	/* Others are of no concern, and not all of them hold DER. */
	if (!is_decoded(id))
		return (true);
	if (!judge_walk(j, value))
		return (false);
	if (der_is_among(id, points, DER_COUNT(points)) &&
	    has_relative_name(value))
		return (judge_refuse(j, "a certificate's CRL distribution "
					"points have relative names"));
	return (true);
}

static bool
judge_extensions(struct judge *j, struct der *rest)
{
	struct der outer, list;
	unsigned n;

	if (!judge_take(j, rest, (DER_CONTEXT | DER_CONSTRUCTED) + 3, &outer) ||
	    !judge_take(j, &outer, DER_SEQUENCE, &list) ||
	    !judge_at_end(j, &outer))
		return (false);
	for (n = 0; list.len > 0; n++) {
		if (n == CERTIFICATES_EXTENSIONS_MAX)
			return (judge_refuse(
			    j, "a certificate has more than 64 extensions"));
		if (!judge_extension(j, &list))
			return (false);
	}
	return (true);
}

/* If there is an element of that tag, takes it, whatever is in it. */
static bool
skip(struct judge *j, struct der *rest, uint8_t tag)
{
	return (!der_next_is(rest, tag) || judge_part(j, rest, tag));
}

/* TBSCertificate of RFC 5280 section 4.1. */
static bool
judge_content(struct judge *j, struct der *rest)
{
	struct der in;

	if (!judge_take(j, rest, DER_SEQUENCE, &in) ||
	    !skip(j, &in, DER_CONTEXT | DER_CONSTRUCTED) || /* version */
	    !judge_part(j, &in, DER_INTEGER) ||		    /* serial number */
	    !judge_part(j, &in, DER_SEQUENCE) ||	    /* signature */
	    !judge_name(j, &in) ||			    /* issuer */
	    !judge_part(j, &in, DER_SEQUENCE) ||	    /* validity */
	    !judge_name(j, &in) ||			    /* subject */
	    !judge_key(j, &in) ||
	    !skip(j, &in, DER_CONTEXT + 1) || /* issuerUniqueID */
	    !skip(j, &in, DER_CONTEXT + 2))   /* subjectUniqueID */
		return (false);
	if (in.len > 0 && !judge_extensions(j, &in))
		return (false);
	return (judge_at_end(j, &in));
}

static bool
judge_certificate(struct judge *j, struct der in)
{
	struct der certificate;

	return (judge_take(j, &in, DER_SEQUENCE, &certificate) &&
		judge_at_end(j, &in) && judge_content(j, &certificate) &&
		judge_part(j, &certificate, DER_SEQUENCE) &&
		judge_part(j, &certificate, DER_BITS) &&
		judge_at_end(j, &certificate));
}

/* What TLS 1.3 has behind each certificate. */
static bool
judge_entry_extensions(struct judge *j, struct der *rest)
{
	struct der list, body;

	if (!judge_take_vector(j, rest, 2, &list))
		return (false);
	while (list.len > 0) {
		if (!judge_count(j))
			return (false);
		if (list.len < 2)
			return (judge_refuse(j, JUDGE_MALFORMED));
		list = (struct der){ list.at + 2, list.len - 2 };
		if (!judge_take_vector(j, &list, 2, &body))
			return (false);
	}
	return (true);
}

const char *
certificates_judge(const uint8_t *bytes, size_t len, bool tls13)
{
	struct judge j = { NULL, 0 };
	struct der rest = { bytes, len }, context = { NULL, 0 }, list, one;
	unsigned n;

	/* The context is that of a request after the handshake. */
	if ((tls13 && !judge_take_vector(&j, &rest, 1, &context)) ||
	    !judge_at_end(&j, &context) ||
	    !judge_take_vector(&j, &rest, 3, &list) || !judge_at_end(&j, &rest))
		return (j.why);
	for (n = 0; list.len > 0; n++) {
		if (n == CERTIFICATES_MAX)
			return ("the chain has more than 16 certificates");
		if (!judge_take_vector(&j, &list, 3, &one) ||
		    !judge_certificate(&j, one) ||
		    (tls13 && !judge_entry_extensions(&j, &list)))
			return (j.why);
	}
	return (NULL);
}
