/*
 * Who a client is by its verified certificate, and the patterns that a rule's
 * clients name identities by. Pure; nothing here allocates.
 */
#ifndef COMMON_POLICY_IDENTITY_H
#define COMMON_POLICY_IDENTITY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bounds of a SPIFFE id (SPIFFE-ID, sections 2.1 and 2.3). */
#define IDENTITY_SPIFFE_MAX	  2048
#define IDENTITY_TRUST_DOMAIN_MAX 255

/* The longest pattern. Holds spiffe://TRUST-DOMAIN/ns/NAMESPACE/sa/ACCOUNT
 * with each part as long as SPIFFE and Kubernetes have it (255, 63 and 253
 * bytes); longer ids are named by a pattern that ends in a wildcard. */
#define IDENTITY_PATTERN_MAX	   591
#define IDENTITY_PATTERN_TEXT_SIZE (IDENTITY_PATTERN_MAX + 1)

enum identity_kind {
	IDENTITY_SPIFFE, /* a URI subject alternative name */
	IDENTITY_DNS	 /* a DNS one */
};

/* One subject alternative name, as it stands in the certificate: len bytes,
 * any bytes, borrowed. */
struct identity {
	enum identity_kind kind;
	const char *text;
	size_t len;
};

struct identity_pattern {
	enum identity_kind kind;
	uint16_t len;
	char text[IDENTITY_PATTERN_TEXT_SIZE]; /* canonical, zeros behind */
};

/*
 * Parses a pattern: a SPIFFE id or a DNS name, as
 * "spiffe://cluster.local/ns/billing/sa/web" or "client.example.com", which
 * names itself alone; or one with wildcards.
 * A segment of a SPIFFE id's path may be "*". Before the last segment it stands
 * for exactly one segment, whatever it is; as the last, for one or more. So
 * "spiffe://cluster.local" and "*" behind a '/' is every id of that trust
 * domain that has a path. A trust domain is always written out.
 * "*.example.com" is every DNS name below example.com, however many labels
 * deep, but not example.com: as in a rule's destinations.
 * DNS names are canonicalised by hostname_canonical(). 0, or -EINVAL with *why
 * set to a static text that says what to write instead, and *p left alone.
 */
int identity_pattern_parse(
    struct identity_pattern *p, const char *s, size_t len, const char **why);

/* The canonical text; returns its length. */
size_t identity_pattern_format(
    const struct identity_pattern *, char buf[IDENTITY_PATTERN_TEXT_SIZE]);

/*
 * Is s a well-formed SPIFFE id? "spiffe://" in lower case, a trust domain of
 * lower-case letters, digits, '.', '-' and '_', and a path, which may be
 * absent, of segments of letters, digits, '.', '-' and '_'. No segment is
 * empty, "." or "..": so there is no query, fragment, port, user or percent
 * encoding, and one id has one spelling.
 */
bool identity_valid_spiffe(const char *s, size_t len);

/*
 * Does the pattern name the identity? Never where the identity is no
 * well-formed SPIFFE id, or no name that hostname_canonical() admits: a
 * wildcard in a certificate matches nothing, and nor does an address.
 */
bool identity_match(const struct identity_pattern *, const struct identity *);

#endif
