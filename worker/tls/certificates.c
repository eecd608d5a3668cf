/* Finds out what a chain of certificates would cost, at little cost. */
#include "worker/tls/certificates.h"

#include "worker/tls/judge.h"

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

static bool
stands_among(struct der id, const struct der *ids, unsigned n)
{
	unsigned i;

	for (i = 0; i < n; i++)
		if (der_equal(id, ids[i]))
			return (true);
	return (false);
}

static bool
judge_extensions(struct judge *j, struct der *rest)
{
	struct der outer, list, ids[CERTIFICATES_EXTENSIONS_MAX];
	unsigned n;

	if (!judge_take(j, rest, (DER_CONTEXT | DER_CONSTRUCTED) + 3, &outer) ||
	    !judge_take(j, &outer, DER_SEQUENCE, &list) ||
	    !judge_at_end(j, &outer))
		return (false);
	for (n = 0; list.len > 0; n++) {
		if (n == CERTIFICATES_EXTENSIONS_MAX)
			return (judge_refuse(
			    j, "a certificate has more than 64 extensions"));
		if (!judge_extension(j, &list, &ids[n]))
			return (false);
		if (stands_among(ids[n], ids, n))
			judge_distrust(j, "a certificate of the chain has an "
					  "extension twice");
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

static const char *
judge_message(struct judge *j, const uint8_t *bytes, size_t len, bool tls13)
{
	struct der rest = { bytes, len }, context = { NULL, 0 }, list, one;
	unsigned n;

	/* The context is that of a request after the handshake. */
	if ((tls13 && !judge_take_vector(j, &rest, 1, &context)) ||
	    !judge_at_end(j, &context) ||
	    !judge_take_vector(j, &rest, 3, &list) || !judge_at_end(j, &rest))
		return (j->why);
	for (n = 0; list.len > 0; n++) {
		if (n == CERTIFICATES_MAX)
			return ("the chain has more than 16 certificates");
		if (!judge_take_vector(j, &list, 3, &one) ||
		    !judge_certificate(j, one) ||
		    (tls13 && !judge_entry_extensions(j, &list)))
			return (j->why);
	}
	return (NULL);
}

const char *
certificates_judge(
    const uint8_t *bytes, size_t len, bool tls13, bool *decodable)
{
	struct judge j = { NULL, NULL, 0 };
	const char *why = judge_message(&j, bytes, len, tls13);

	*decodable = why == NULL;
	return (why != NULL ? why : j.improper);
}
