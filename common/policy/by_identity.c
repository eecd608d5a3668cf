/*
 * Finds the rules that name a client by its identity, whether in full or by a
 * pattern.
 */
#include <string.h>

#include "common/policy/table.h"

#define SCHEME_SLASHES 2 /* of "spiffe://" */

bool
policy_identity_init(struct policy_identity *id, const struct identity *whole)
{
	int len;

	id->whole = whole;
	id->text = whole->text;
	id->len = whole->len;
	if (whole->kind == IDENTITY_SPIFFE)
		return (identity_valid_spiffe(whole->text, whole->len));
	len = hostname_canonical(id->name, whole->text, whole->len);
	id->text = id->name;
	id->len = len > 0 ? (size_t)len : 0;
	return (len > 0);
}

/* How deep what stands before a wildcard goes; "spiffe://example.com/" is 1. */
static unsigned
prefix_depth(const char *s, size_t len)
{
	unsigned n = 0;

	while (len-- > 0)
		n += s[len] == '/';
	return (n - SCHEME_SLASHES);
}

bool
policy_pattern_key(
    const struct identity_pattern *p, struct policy_key *k, unsigned *depth)
{
	const char *star = memchr(p->text, '*', p->len);

	k->kind = p->kind == IDENTITY_SPIFFE ? POLICY_SPIFFE : POLICY_DNS;
	k->bytes = p->text;
	k->len = p->len;
	if (star == NULL)
		return (false);
	if (p->kind == IDENTITY_SPIFFE) {
		k->kind = POLICY_SPIFFE_PREFIX;
		k->len = (size_t)(star - p->text);
		*depth = prefix_depth(p->text, k->len);
	} else {
		k->kind = POLICY_DNS_SUFFIX;
		k->bytes = p->text + strlen("*.");
		k->len -= strlen("*.");
		*depth = policy_count_labels(k->bytes, k->len);
	}
	return (true);
}
