/* A part of a text, not NUL-terminated, for parsers that take one apart. */
#ifndef COMMON_BASE_PIECE_H
#define COMMON_BASE_PIECE_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct piece {
	const char *s; /* not looked at where len is 0 */
	size_t len;
};

static inline bool
piece_is(struct piece p, const char *text)
{
	size_t len = strlen(text);

	return (p.len == len && (len == 0 || memcmp(p.s, text, len) == 0));
}

static inline bool
piece_equal(struct piece a, struct piece b)
{
	return (a.len == b.len && (a.len == 0 || memcmp(a.s, b.s, a.len) == 0));
}

static inline bool
piece_has(struct piece p, char c)
{
	return (p.len > 0 && memchr(p.s, c, p.len) != NULL);
}

/* Takes n bytes, which there are, from the front of *rest. */
static inline struct piece
piece_cut(struct piece *rest, size_t n)
{
	struct piece front = { rest->s, n };

	rest->s += n;
	rest->len -= n;
	return (front);
}

/* Takes the text from the front of *rest, if it stands there. */
static inline bool
piece_cut_text(struct piece *rest, const char *text)
{
	size_t len = strlen(text);

	if (rest->len < len || memcmp(rest->s, text, len) != 0)
		return (false);
	piece_cut(rest, len);
	return (true);
}

#endif
