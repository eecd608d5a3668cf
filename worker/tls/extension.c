/* What extensions of certificates are worth looking at, and what is in them. */
#include "worker/tls/judge.h"

/* id-ce-subjectAltName and id-ce-issuerAltName. */
static const struct der_oid names[] = {
	{ 3, "\x55\x1d\x11" },
	{ 3, "\x55\x1d\x12" },
};

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

#define NAME(n)	      (DER_CONTEXT + (n))
#define NAME_PARTS(n) (DER_CONTEXT + DER_CONSTRUCTED + (n))

/* GeneralName of RFC 5280 section 4.2.1.6. OpenSSL also takes its strings in
 * pieces, which it joins, as only BER has them. */
static void
look_at_name(struct judge *j, uint8_t tag)
{
	switch (tag) {
	case NAME_PARTS(0): /* otherName */
	case NAME(1):	    /* rfc822Name */
	case NAME(2):	    /* dNSName */
	case NAME_PARTS(3): /* x400Address */
	case NAME_PARTS(4): /* directoryName */
	case NAME_PARTS(5): /* ediPartyName */
	case NAME(6):	    /* uniformResourceIdentifier */
	case NAME(7):	    /* iPAddress */
	case NAME(8):	    /* registeredID */
		return;
	case NAME_PARTS(1):
	case NAME_PARTS(2):
	case NAME_PARTS(6):
	case NAME_PARTS(7):
	case NAME_PARTS(8):
		judge_distrust(j, JUDGE_NOT_DER);
		return;
	default:
		judge_distrust(j, JUDGE_EXTENSION);
	}
}

/* Of a value that was gone through. */
static void
look_at_names(struct judge *j, struct der value)
{
	struct der list, name;
	uint8_t tag;

	if (!der_take(&value, &tag, &list) || tag != DER_SEQUENCE)
		judge_distrust(j, JUDGE_EXTENSION);
	else
		while (der_take(&list, &tag, &name))
			look_at_name(j, tag);
}

static bool
judge_value(struct judge *j, struct der id, struct der value)
{
	struct der rest = value, body;
	uint8_t tag;

	if (!judge_walk(j, value))
		return (false);
	/* One element, and no more. */
	if (!der_take(&rest, &tag, &body) || rest.len > 0)
		judge_distrust(j, JUDGE_EXTENSION);
	if (der_is_among(id, names, DER_COUNT(names)))
		look_at_names(j, value);
	if (der_is_among(id, points, DER_COUNT(points)) &&
	    has_relative_name(value))
		return (judge_refuse(j, "a certificate's CRL distribution "
					"points have relative names"));
	return (true);
}

/* Whether it is critical: FALSE, the default, is not written (X.690 section
 * 11.5). */
static bool
judge_critical(struct judge *j, struct der *rest)
{
	struct der critical;

	if (!der_next_is(rest, DER_BOOLEAN))
		return (true);
	if (!judge_take(j, rest, DER_BOOLEAN, &critical))
		return (false);
	if (critical.len != 1 || critical.at[0] != DER_TRUE)
		judge_distrust(j, JUDGE_NOT_DER);
	return (true);
}

bool
judge_extension(struct judge *j, struct der *rest, struct der *id)
{
	struct der extension, value;

	if (!judge_take(j, rest, DER_SEQUENCE, &extension) ||
	    !judge_take(j, &extension, DER_OID, id) ||
	    !judge_critical(j, &extension) ||
	    !judge_take(j, &extension, DER_OCTETS, &value) ||
	    !judge_at_end(j, &extension))
		return (false);
	/* Others are of no concern, and not all of them hold DER. */
	return (!is_decoded(*id) || judge_value(j, *id, value));
}
