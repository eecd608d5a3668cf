/*
 * Checks identities and patterns of them, and matches the one with the other.
 */
#include "common/policy/identity.h"

#include <errno.h>
#include <string.h>

#include "common/base/piece.h"
#include "common/net/hostname.h"

#define SCHEME	   "spiffe://"
#define SCHEME_LEN (sizeof(SCHEME) - 1)

_Static_assert(
    IDENTITY_PATTERN_MAX >= HOSTNAME_MAX + 2, "*.name fits into a pattern");

static bool
is_trust_domain_char(char c)
{
	return ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' ||
		c == '-' || c == '_');
}

static bool
is_path_char(char c)
{
	return (is_trust_domain_char(c) || (c >= 'A' && c <= 'Z'));
}

/* Takes what stands before the next '/', or all. */
static struct piece
cut_segment(struct piece *rest)
{
	size_t n = 0;

	while (n < rest->len && rest->s[n] != '/')
		n++;
	return (piece_cut(rest, n));
}

/* Takes a '/' and the segment behind it. */
static struct piece
cut_next(struct piece *path)
{
	piece_cut(path, 1);
	return (cut_segment(path));
}

static bool
trust_domain_valid(struct piece domain)
{
	size_t i;

	for (i = 0; i < domain.len; i++)
		if (!is_trust_domain_char(domain.s[i]))
			return (false);
	return (domain.len > 0 && domain.len <= IDENTITY_TRUST_DOMAIN_MAX);
}

/* A dot segment would be another id to whoever resolves it (RFC 3986 5.2.4). */
static bool
segment_named(struct piece segment)
{
	return (segment.len > 0 && !piece_is(segment, ".") &&
		!piece_is(segment, ".."));
}

static bool
segment_valid(struct piece segment)
{
	size_t i;

	for (i = 0; i < segment.len; i++)
		if (!is_path_char(segment.s[i]))
			return (false);
	return (segment_named(segment));
}

/* path is empty or begins with '/'. */
static bool
path_valid(struct piece path)
{
	while (path.len > 0)
		if (!segment_valid(cut_next(&path)))
			return (false);
	return (true);
}

bool
identity_valid_spiffe(const char *s, size_t len)
{
	struct piece rest = { s, len };

	if (len > IDENTITY_SPIFFE_MAX || !piece_cut_text(&rest, SCHEME))
		return (false);
	return (trust_domain_valid(cut_segment(&rest)) && path_valid(rest));
}

static int
refuse(const char **why, const char *text)
{
	*why = text;
	return (-EINVAL);
}

static int
check_segment(struct piece segment, const char **why)
{
	if (piece_is(segment, "*") || segment_valid(segment))
		return (0);
	if (piece_has(segment, '*'))
		return (refuse(why,
		    "a wildcard must be a whole segment of the path; write "
		    "spiffe://cluster.local/ns/*/sa/web"));
	if (!segment_named(segment))
		return (
		    refuse(why, "its path has an empty segment, . or ..; write "
				"spiffe://cluster.local/ns/billing/sa/web"));
	return (refuse(why, "its path has a character that is not allowed in a "
			    "SPIFFE id; write "
			    "segments of letters, digits, '.', '-' and '_'"));
}

/* rest: the pattern behind its scheme. */
static int
check_spiffe(struct piece rest, const char **why)
{
	struct piece domain = cut_segment(&rest);
	int r = 0;

	if (piece_has(domain, '*'))
		return (
		    refuse(why, "a wildcard cannot stand for a trust domain; "
				"write spiffe://cluster.local/*"));
	if (!trust_domain_valid(domain))
		return (refuse(why,
		    "its trust domain is missing or not valid; write 1 to 255 "
		    "lower-case letters, digits, '.', '-' and '_' after "
		    "spiffe://"));
	while (r == 0 && rest.len > 0)
		r = check_segment(cut_next(&rest), why);
	return (r);
}

static int
parse_dns(struct identity_pattern *p, struct piece name, const char **why)
{
	char *at = p->text;
	int len;

	if (piece_cut_text(&name, "*.")) {
		*at++ = '*';
		*at++ = '.';
	}
	if (piece_has(name, '*'))
		return (refuse(why, "a wildcard must be the whole first label; "
				    "write *.example.com"));
	len = hostname_canonical(at, name.s, name.len);
	if (len < 0)
		return (refuse(why,
		    "it is neither a SPIFFE id nor a DNS name; write "
		    "spiffe://cluster.local/ns/billing/sa/web, "
		    "client.example.com or *.example.com"));
	p->kind = IDENTITY_DNS;
	p->len = at + len - p->text;
	return (0);
}

int
identity_pattern_parse(
    struct identity_pattern *p, const char *s, size_t len, const char **why)
{
	struct piece rest = { s, len };
	struct identity_pattern parsed;
	int r;

	if (len > IDENTITY_PATTERN_MAX)
		return (refuse(why,
		    "it is too long; write a shorter path that ends in /*"));
	memset(&parsed, 0, sizeof(parsed));
	if (piece_cut_text(&rest, SCHEME)) {
		parsed.kind = IDENTITY_SPIFFE;
		parsed.len = len;
		memcpy(parsed.text, s, len);
		r = check_spiffe(rest, why);
	} else {
		r = parse_dns(&parsed, rest, why);
	}
	if (r == 0)
		*p = parsed;
	return (r);
}

size_t
identity_pattern_format(
    const struct identity_pattern *p, char buf[IDENTITY_PATTERN_TEXT_SIZE])
{
	memcpy(buf, p->text, p->len);
	buf[p->len] = '\0';
	return (p->len);
}

/* Both are empty or begin with '/'. What a literal segment equals is valid, so
 * only what a wildcard stands for is looked at. */
static bool
match_path(struct piece pattern, struct piece path)
{
	struct piece want, got;

	while (pattern.len > 0 && path.len > 0) {
		want = cut_next(&pattern);
		if (piece_is(want, "*") && pattern.len == 0)
			return (path_valid(path));
		got = cut_next(&path);
		if (piece_is(want, "*")) {
			if (!segment_valid(got))
				return (false);
		} else if (!piece_equal(want, got)) {
			return (false);
		}
	}
	return (pattern.len == 0 && path.len == 0);
}

static bool
match_spiffe(struct piece pattern, struct piece id)
{
	struct piece want, got;

	if (id.len > IDENTITY_SPIFFE_MAX || !piece_cut_text(&id, SCHEME))
		return (false);
	piece_cut(&pattern, SCHEME_LEN);
	want = cut_segment(&pattern);
	got = cut_segment(&id);
	return (piece_equal(want, got) && match_path(pattern, id));
}

static bool
match_dns(struct piece pattern, struct piece id)
{
	char name[HOSTNAME_SIZE];
	int len = hostname_canonical(name, id.s, id.len);

	if (len < 0)
		return (false);
	if (pattern.s[0] != '*')
		return ((size_t)len == pattern.len &&
			memcmp(name, pattern.s, pattern.len) == 0);
	/* The dot is compared, too; before it a canonical name has a label. */
	piece_cut(&pattern, 1);
	return ((size_t)len > pattern.len &&
		memcmp(name + len - pattern.len, pattern.s, pattern.len) == 0);
}

bool
identity_match(const struct identity_pattern *p, const struct identity *id)
{
	struct piece pattern = { p->text, p->len },
		     text = { id->text, id->len };

	if (p->kind != id->kind)
		return (false);
	if (p->kind == IDENTITY_SPIFFE)
		return (match_spiffe(pattern, text));
	return (match_dns(pattern, text));
}
