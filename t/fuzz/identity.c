/*
 * Identities: a pattern that parses has one spelling that parses to the same;
 * what matches is well-formed; and a match is what the pattern's text says.
 * Input: the pattern, a newline, the identity.
 */
#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "common/net/hostname.h"
#include "common/policy/identity.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool
match(const struct identity_pattern *p, enum identity_kind kind,
    const char *text, size_t len)
{
	struct identity id = { kind, text, len };

	return (identity_match(p, &id));
}

/* Stars apart, a pattern is an identity, and matches itself alone. */
static void
check_self(const struct identity_pattern *p)
{
	char text[IDENTITY_PATTERN_TEXT_SIZE];
	char *star;

	assert(
	    !match(p, p->kind == IDENTITY_DNS ? IDENTITY_SPIFFE : IDENTITY_DNS,
		p->text, p->len));
	assert(match(p, p->kind, p->text, p->len) ==
	       (strchr(p->text, '*') == NULL));
	strcpy(text, p->text);
	while ((star = strchr(text, '*')) != NULL)
		*star = 'x';
	assert(match(p, p->kind, text, p->len));
}

/* More segments or labels: where there is a wildcard at that end, and there
 * alone. */
static void
check_more(const struct identity_pattern *p)
{
	char text[IDENTITY_PATTERN_TEXT_SIZE + 4];
	size_t len = p->len;
	bool below;
	char *star;

	if (p->kind == IDENTITY_SPIFFE) {
		below = p->text[len - 1] == '*';
		memcpy(text, p->text, len);
		memcpy(text + len, "/Y", 3);
	} else {
		below = p->text[0] == '*';
		memcpy(text, "y.", 2);
		memcpy(text + 2, p->text, len + 1);
		if (len + 2 > HOSTNAME_MAX)
			below = false;
	}
	while ((star = strchr(text, '*')) != NULL)
		*star = 'x';
	assert(match(p, p->kind, text, len + 2) == below);
}

static void
check_pattern(const struct identity_pattern *p)
{
	char text[IDENTITY_PATTERN_TEXT_SIZE];
	struct identity_pattern again;
	const char *why = NULL;
	size_t len;

	assert(p->len <= IDENTITY_PATTERN_MAX && strlen(p->text) == p->len);
	len = identity_pattern_format(p, text);
	assert(len == p->len && strcmp(text, p->text) == 0);
	memset(&again, 0x11, sizeof(again));
	assert(identity_pattern_parse(&again, text, len, &why) == 0);
	assert(memcmp(&again, p, sizeof(again)) == 0);
	check_self(p);
	check_more(p);
}

static void
check_match(const struct identity_pattern *p, const char *text, size_t len)
{
	const char *star = strchr(p->text, '*');
	size_t head = star != NULL ? (size_t)(star - p->text) : p->len;
	char name[HOSTNAME_SIZE];

	if (match(p, IDENTITY_SPIFFE, text, len)) {
		assert(p->kind == IDENTITY_SPIFFE);
		assert(identity_valid_spiffe(text, len));
		assert(len >= head && memcmp(text, p->text, head) == 0);
		assert(star != NULL || len == p->len);
	}
	if (match(p, IDENTITY_DNS, text, len)) {
		assert(p->kind == IDENTITY_DNS);
		assert(hostname_canonical(name, text, len) >= 0);
		assert(star != NULL || strcmp(name, p->text) == 0);
		assert(star == NULL || strstr(name, p->text + 1) != NULL);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data, *why = NULL;
	const char *line = size > 0 ? memchr(text, '\n', size) : NULL;
	size_t len = line != NULL ? (size_t)(line - text) : size;
	struct identity_pattern p, own, all;

	if (line != NULL)
		line++;
	memset(&p, 0xee, sizeof(p));
	if (identity_pattern_parse(&p, text, len, &why) != 0) {
		assert(why != NULL && strstr(why, "; write ") != NULL);
		return (0);
	}
	check_pattern(&p);
	if (line == NULL)
		return (0);
	len = text + size - line;
	check_match(&p, line, len);
	/* A well-formed id that is short enough is a pattern, of itself. */
	if (len <= IDENTITY_PATTERN_MAX && identity_valid_spiffe(line, len)) {
		assert(identity_pattern_parse(&own, line, len, &why) == 0);
		assert(match(&own, IDENTITY_SPIFFE, line, len));
		assert(identity_pattern_parse(&all, "spiffe://a/*", 12, &why) ==
		       0);
		if (len > 11 && memcmp(line, "spiffe://a/", 11) == 0)
			assert(match(&all, IDENTITY_SPIFFE, line, len));
	}
	return (0);
}
