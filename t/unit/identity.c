/*
 * Client identities: patterns and their one spelling, well-formed SPIFFE ids,
 * and every short pattern against every short identity, as a naive matcher
 * has it.
 */
#include "t/unit/tap.h"

#include <errno.h>
#include <stdlib.h>

#include "common/net/hostname.h"
#include "common/policy/identity.h"

static void
pattern(const char *in, enum identity_kind kind, const char *want)
{
	struct identity_pattern p, again;
	char text[IDENTITY_PATTERN_TEXT_SIZE];
	const char *why = NULL;
	size_t len;

	memset(&p, 0xee, sizeof(p));
	if (!ok(identity_pattern_parse(&p, in, strlen(in), &why) == 0,
		"%s is a pattern", in)) {
		printf("#   %s\n", why != NULL ? why : "nothing");
		return;
	}
	is_int(p.kind, kind, "  its kind");
	len = identity_pattern_format(&p, text);
	is_str(text, want, "  its canonical text");
	is_int(len, strlen(want), "  and the length of that");
	memset(&again, 0x11, sizeof(again));
	ok(identity_pattern_parse(&again, text, len, &why) == 0 &&
		memcmp(&again, &p, sizeof(p)) == 0,
	    "  which parses to the same");
}

static void
test_patterns(void)
{
	static const char *const spiffe[] = { "spiffe://cluster.local",
		"spiffe://cluster.local/ns/billing/sa/web",
		"spiffe://cluster.local/ns/billing/sa/*",
		"spiffe://cluster.local/*", "spiffe://cluster.local/*/*/*",
		"spiffe://cluster.local/ns/*/sa/web", "spiffe://a_b-c.1/A-Z._z",
		"spiffe://-./...", "spiffe://1.2.3.4/.a" };
	size_t i;

	for (i = 0; i < sizeof(spiffe) / sizeof(spiffe[0]); i++)
		pattern(spiffe[i], IDENTITY_SPIFFE, spiffe[i]);
	pattern("client.example.com", IDENTITY_DNS, "client.example.com");
	pattern("Client.EXAMPLE.com.", IDENTITY_DNS, "client.example.com");
	pattern("*.example.com", IDENTITY_DNS, "*.example.com");
	pattern("*.Example.com.", IDENTITY_DNS, "*.example.com");
	pattern("localhost", IDENTITY_DNS, "localhost");
	pattern("spiffe", IDENTITY_DNS, "spiffe");
}

struct bad {
	const char *text, *why; /* why: a part of it */
};

static const struct bad bads[] = {
	{ "", "neither a SPIFFE id" },
	{ "*", "whole first label" },
	{ "**.example.com", "whole first label" },
	{ "*example.com", "whole first label" },
	{ "a.*.example.com", "whole first label" },
	{ "*.*.example.com", "whole first label" },
	{ "example.*", "whole first label" },
	{ "*.", "neither a SPIFFE id" },
	{ "*..example.com", "neither a SPIFFE id" },
	{ "192.0.2.1", "neither a SPIFFE id" },
	{ "192.0.2.0/33", "neither a SPIFFE id" },
	{ "2001:db8::1", "neither a SPIFFE id" },
	{ "a.example.com:443", "neither a SPIFFE id" },
	{ "user@example.com", "neither a SPIFFE id" },
	{ "https://example.com/", "neither a SPIFFE id" },
	{ "SPIFFE://cluster.local/a", "neither a SPIFFE id" },
	{ "spiffe:/cluster.local/a", "neither a SPIFFE id" },
	{ " spiffe://cluster.local/a", "neither a SPIFFE id" },
	{ "spiffe://", "trust domain is missing or not valid" },
	{ "spiffe:///a", "trust domain is missing or not valid" },
	{ "spiffe://Cluster.local/a", "trust domain is missing or not valid" },
	{ "spiffe://cluster.local:443/a",
	    "trust domain is missing or not valid" },
	{ "spiffe://user@cluster.local/a",
	    "trust domain is missing or not valid" },
	{ "spiffe://cluster.local?a", "trust domain is missing or not valid" },
	{ "spiffe://*/a", "cannot stand for a trust domain" },
	{ "spiffe://*.local/a", "cannot stand for a trust domain" },
	{ "spiffe://*", "cannot stand for a trust domain" },
	{ "spiffe://cluster.local/", "empty segment" },
	{ "spiffe://cluster.local/a/", "empty segment" },
	{ "spiffe://cluster.local//a", "empty segment" },
	{ "spiffe://cluster.local/*/", "empty segment" },
	{ "spiffe://cluster.local/./a", "empty segment" },
	{ "spiffe://cluster.local/a/..", "empty segment" },
	{ "spiffe://cluster.local/a*", "whole segment" },
	{ "spiffe://cluster.local/*a/b", "whole segment" },
	{ "spiffe://cluster.local/**", "whole segment" },
	{ "spiffe://cluster.local/a?b", "not allowed in a SPIFFE id" },
	{ "spiffe://cluster.local/a#b", "not allowed in a SPIFFE id" },
	{ "spiffe://cluster.local/%61", "not allowed in a SPIFFE id" },
	{ "spiffe://cluster.local/a b", "not allowed in a SPIFFE id" },
	{ "spiffe://cluster.local/a:b", "not allowed in a SPIFFE id" },
	{ "spiffe://cluster.local/\xc3\xa4", "not allowed in a SPIFFE id" },
};

static void
refuses(const char *name, const char *text, size_t len, const char *part)
{
	struct identity_pattern p, untouched;
	const char *why = NULL;

	memset(&p, 0xee, sizeof(p));
	untouched = p;
	is_int(identity_pattern_parse(&p, text, len, &why), -EINVAL, name);
	if (!ok(why != NULL && strstr(why, part) != NULL &&
		    strstr(why, "; write ") != NULL,
		"  says %s, and what to write", part))
		printf("#   %s\n", why != NULL ? why : "nothing");
	ok(memcmp(&p, &untouched, sizeof(p)) == 0, "  and is left alone");
}

static void
test_refusals(void)
{
	size_t i;

	for (i = 0; i < sizeof(bads) / sizeof(bads[0]); i++)
		refuses(bads[i].text, bads[i].text, strlen(bads[i].text),
		    bads[i].why);
	refuses("NUL in a path", "spiffe://a/b\0c", 14,
	    "not allowed in a SPIFFE id");
	refuses("NUL in a name", "a.example\0.com", 14, "neither a SPIFFE id");
	refuses("nothing at all", NULL, 0, "neither a SPIFFE id");
}

/* "spiffe://", a trust domain, and segments of up to 255 bytes: len bytes. */
static char *
long_id(char *buf, size_t domain, size_t len)
{
	size_t i;

	memset(buf, 'a', len);
	memcpy(buf, "spiffe://", 9);
	for (i = 9 + domain; i < len; i += 256)
		buf[i] = '/';
	buf[len] = '\0';
	return (buf);
}

static bool
valid(const char *s)
{
	return (identity_valid_spiffe(s, strlen(s)));
}

static bool
matches(const char *want, enum identity_kind kind, const char *s, size_t len)
{
	struct identity id = { kind, s, len };
	struct identity_pattern p;
	const char *why;

	return (identity_pattern_parse(&p, want, strlen(want), &why) == 0 &&
		identity_match(&p, &id));
}

static void
test_lengths(void)
{
	char buf[IDENTITY_SPIFFE_MAX + 8], name[HOSTNAME_SIZE + 1];
	struct identity_pattern p;
	const char *why;

	ok(valid(long_id(buf, 255, 2048)), "an id of 2048 bytes");
	ok(matches(
	       "spiffe://a/*", IDENTITY_SPIFFE, long_id(buf, 1, 2048), 2048),
	    "  matches");
	ok(!valid(long_id(buf, 255, 2049)), "but none of 2049");
	ok(!matches(
	       "spiffe://a/*", IDENTITY_SPIFFE, long_id(buf, 1, 2049), 2049),
	    "  matches");
	ok(valid(long_id(buf, 255, 264)), "a trust domain of 255 bytes");
	ok(!valid(long_id(buf, 256, 265)), "but none of 256");
	long_id(buf, 255, IDENTITY_PATTERN_MAX + 1);
	is_int(identity_pattern_parse(&p, buf, IDENTITY_PATTERN_MAX, &why), 0,
	    "the longest pattern");
	ok(matches(p.text, IDENTITY_SPIFFE, buf, IDENTITY_PATTERN_MAX),
	    "  matches itself");
	ok(!matches(p.text, IDENTITY_SPIFFE, buf, IDENTITY_PATTERN_MAX + 1),
	    "  and nothing longer");
	refuses("a longer pattern", buf, IDENTITY_PATTERN_MAX + 1, "too long");

	/* 3 labels of 63 and one of 61: 253 bytes */
	memset(name, 'a', sizeof(name));
	name[63] = name[127] = name[191] = '.';
	name[253] = '\0';
	ok(matches(name, IDENTITY_DNS, name, 253), "the longest name");
	ok(matches("*.a", IDENTITY_DNS, "a.a", 3), "the shortest name below");
	ok(!matches("*.a", IDENTITY_DNS, "a", 1), "a name is not below itself");
}

static void
test_valid(void)
{
	ok(valid("spiffe://cluster.local/ns/billing/sa/web"), "an Istio id");
	ok(valid("spiffe://cluster.local"), "a trust domain alone");
	ok(valid("spiffe://c/.../a.b/-/_"), "segments that begin with dots");
	ok(!valid("spiffe://cluster.local/"), "a last '/'");
	ok(!valid("spiffe://cluster.local/*"), "a wildcard");
	ok(!valid("Spiffe://cluster.local/a"), "upper case in the scheme");
	ok(!valid("spiffe://Cluster.local/a"), "  and in the trust domain");
	ok(!valid("spiffe://cluster.local:1/a"), "a port");
	ok(!valid("spiffe://u@cluster.local/a"), "a user");
	ok(!valid("spiffe://cluster.local/a?b"), "a query");
	ok(!valid("spiffe://cluster.local/a#b"), "a fragment");
	ok(!valid("spiffe://cluster.local/%2e"), "percent encoding");
	ok(!valid("spiffe://cluster.local/a/../b"), "dot segments");
	ok(!valid(""), "nothing");
	ok(!identity_valid_spiffe(NULL, 0), "nothing at all");
	ok(!identity_valid_spiffe("spiffe://a/b\0", 13), "a NUL at the end");
	ok(identity_valid_spiffe("spiffe://a/b?", 12), "reads len bytes");
}

static void
test_match(void)
{
	static const char web[] = "spiffe://cluster.local/ns/billing/sa/web";
	static const char *const yes[] = { web,
		"spiffe://cluster.local/ns/billing/sa/*",
		"spiffe://cluster.local/ns/*", "spiffe://cluster.local/*",
		"spiffe://cluster.local/ns/*/sa/web",
		"spiffe://cluster.local/*/*/*/*",
		"spiffe://cluster.local/*/*/*/web" };
	static const char *const no[] = { "spiffe://cluster.local",
		"spiffe://cluster.loca/*", "spiffe://cluster.local1/*",
		"spiffe://cluster.local/ns/billing/sa/Web",
		"spiffe://cluster.local/ns/billing/sa/we",
		"spiffe://cluster.local/ns/billing/sa",
		"spiffe://cluster.local/ns/billing/sa/web/*",
		"spiffe://cluster.local/*/*/*/*/*",
		"spiffe://cluster.local/ns/*/web", "cluster.local", "*.local" };
	const size_t len = sizeof(web) - 1;
	size_t i;

	for (i = 0; i < sizeof(yes) / sizeof(yes[0]); i++)
		ok(matches(yes[i], IDENTITY_SPIFFE, web, len), "%s", yes[i]);
	for (i = 0; i < sizeof(no) / sizeof(no[0]); i++)
		ok(!matches(no[i], IDENTITY_SPIFFE, web, len), "not %s", no[i]);
	for (i = 0; i < sizeof(yes) / sizeof(yes[0]); i++)
		ok(!matches(yes[i], IDENTITY_DNS, web, len),
		    "not %s, to a DNS name", yes[i]);
	ok(matches("*.example.com", IDENTITY_DNS, "A.b.Example.COM.", 16),
	    "a DNS name is canonicalised");
	ok(!matches(
	       "client.example.com", IDENTITY_SPIFFE, "client.example.com", 18),
	    "a name is no SPIFFE id");
	ok(!matches("*.example.com", IDENTITY_DNS, "*.example.com", 13),
	    "a wildcard in a certificate");
	ok(!matches("*.example.com", IDENTITY_DNS, "a.*.example.com", 15),
	    "  and within");
	ok(!matches("*.example.com", IDENTITY_DNS, "x\0.example.com", 14),
	    "a NUL in a certificate");
	ok(!matches("a.example.com", IDENTITY_DNS, "a.example.com\0", 14),
	    "  and at the end");
	ok(!matches("spiffe://a/*", IDENTITY_SPIFFE, "spiffe://a/b\0", 13),
	    "  and in a SPIFFE id");
	ok(!matches("*.example.com", IDENTITY_DNS, NULL, 0), "no bytes");
	ok(!matches("spiffe://a", IDENTITY_SPIFFE, NULL, 0), "  of either");
}

/* The i-th text over the alphabet, shortest first; its length. */
static size_t
nth(char *buf, const char *alphabet, unsigned long i)
{
	size_t base = strlen(alphabet), len = 0, k;
	char c;

	for (; i > 0; i = (i - 1) / base)
		buf[len++] = alphabet[(i - 1) % base];
	for (k = 0; k < len / 2; k++) {
		c = buf[k];
		buf[k] = buf[len - 1 - k];
		buf[len - 1 - k] = c;
	}
	buf[len] = '\0';
	return (len);
}

/* How many texts of up to len letters there are. */
static unsigned long
count(const char *alphabet, unsigned len)
{
	unsigned long n = 1;

	while (len-- > 0)
		n = n * strlen(alphabet) + 1;
	return (n);
}

/* What is behind "spiffe://", with the separators as NULs: how many parts. */
static unsigned
parts(char *s, char separator, char *part[16])
{
	unsigned n = 0;

	for (part[n++] = s; (s = strchr(s, separator)) != NULL; part[n++] = s)
		*s++ = '\0';
	return (n);
}

static bool
naive_valid(char *part[16], unsigned n, bool star)
{
	unsigned i;

	for (i = 0; i < n; i++) {
		if (i > 0 && star && strcmp(part[i], "*") == 0)
			continue;
		if (*part[i] == '\0' || strchr(part[i], '*') != NULL ||
		    (i == 0 && strchr(part[i], 'A') != NULL) ||
		    (i > 0 && strcmp(part[i], ".") == 0) ||
		    (i > 0 && strcmp(part[i], "..") == 0))
			return (false);
	}
	return (true);
}

/* A last "*" is as many stars as there are segments to match. */
static bool
naive_match(char *pat[16], unsigned np, char *id[16], unsigned ni)
{
	unsigned i;

	if (np > 1 && strcmp(pat[np - 1], "*") == 0)
		for (; np < ni; np++)
			pat[np] = pat[np - 1];
	for (i = 0; i < np && i < ni; i++)
		if (strcmp(pat[i], "*") != 0 && strcmp(pat[i], id[i]) != 0)
			return (false);
	return (np == ni);
}

/* How often the pattern and an identity of up to len letters go wrong. */
static unsigned long
try_pattern(const struct identity_pattern *p, const char *pat,
    const char *letters, unsigned len, unsigned long *hits)
{
	const unsigned long n = count(letters, len);
	char a[16], b[16], text[32], *pat_part[16], *id_part[16];
	struct identity id = { IDENTITY_SPIFFE, text, 0 };
	unsigned long j, wrong = 0;
	unsigned np, ni;
	bool hit;

	for (j = 0; j < n; j++) {
		nth(b, letters, j);
		id.len = snprintf(text, sizeof(text), "spiffe://%s", b);
		strcpy(a, pat);
		np = parts(a, '/', pat_part);
		ni = parts(b, '/', id_part);
		hit = naive_valid(id_part, ni, false);
		wrong += hit != identity_valid_spiffe(text, id.len);
		hit = hit && naive_match(pat_part, np, id_part, ni);
		wrong += hit != identity_match(p, &id);
		*hits += hit;
	}
	return (wrong);
}

static void
test_exhaustive_spiffe(const char *letters, unsigned len)
{
	const unsigned long n = count(letters, len);
	unsigned long i, wrong = 0, patterns = 0, hits = 0;
	char pat[16], copy[16], text[32], *part[16];
	struct identity_pattern p;
	const char *why;
	bool parsed;

	for (i = 0; i < n; i++) {
		nth(pat, letters, i);
		strcpy(copy, pat);
		snprintf(text, sizeof(text), "spiffe://%s", pat);
		parsed =
		    identity_pattern_parse(&p, text, strlen(text), &why) == 0;
		wrong +=
		    parsed != naive_valid(part, parts(copy, '/', part), true);
		if (parsed)
			wrong += try_pattern(&p, pat, letters, len, &hits);
		patterns += parsed;
	}
	ok(wrong == 0, "up to %u of '%s': every pattern and SPIFFE id", len,
	    letters);
	ok(patterns > 100 && hits > patterns, "  %lu patterns, %lu matches",
	    patterns, hits);
}

static bool
naive_match_dns(const char *pat, const char *id)
{
	char a[HOSTNAME_SIZE], b[HOSTNAME_SIZE];
	bool star = strncmp(pat, "*.", 2) == 0;
	char *dot;

	if (hostname_canonical(
		a, pat + (star ? 2 : 0), strlen(pat) - (star ? 2 : 0)) < 0 ||
	    hostname_canonical(b, id, strlen(id)) < 0)
		return (false);
	if (!star)
		return (strcmp(a, b) == 0);
	for (dot = strchr(b, '.'); dot != NULL; dot = strchr(dot + 1, '.'))
		if (strcmp(dot + 1, a) == 0)
			return (true);
	return (false);
}

static void
test_exhaustive_dns(void)
{
	static const char letters[] = "aA.*1";
	const unsigned long n = count(letters, 5);
	unsigned long i, j, wrong = 0, hits = 0;
	struct identity id = { .kind = IDENTITY_DNS };
	struct identity_pattern p;
	char pat[16], name[16];
	const char *why;
	bool hit, parsed;

	id.text = name;
	for (i = 0; i < n; i++) {
		parsed = identity_pattern_parse(
			     &p, pat, nth(pat, letters, i), &why) == 0;
		for (j = 0; j < n; j++) {
			id.len = nth(name, letters, j);
			hit = naive_match_dns(pat, name);
			hits += hit;
			wrong += hit != (parsed && identity_match(&p, &id));
		}
	}
	is_int(wrong, 0, "every short pattern and DNS name");
	ok(hits > 1000, "%lu matches", hits);
}

int
main(void)
{
	test_patterns();
	test_refusals();
	test_lengths();
	test_valid();
	test_match();
	test_exhaustive_spiffe("aA./*", 5);
	test_exhaustive_spiffe("a/*", 8);
	test_exhaustive_dns();
	return (done_testing());
}
