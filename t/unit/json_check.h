/* Is a text one strict JSON value (RFC 8259) in ASCII? */
#ifndef T_UNIT_JSON_CHECK_H
#define T_UNIT_JSON_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct json_check {
	const char *at, *end;
};

static bool json_check_value(struct json_check *);

static inline bool
json_check_take(struct json_check *c, char want)
{
	if (c->at == c->end || *c->at != want)
		return (false);
	c->at++;
	return (true);
}

static inline size_t
json_check_span(struct json_check *c, const char *set, size_t max)
{
	const char *from = c->at;

	while (c->at < c->end && (size_t)(c->at - from) < max &&
	       *c->at != '\0' && strchr(set, *c->at) != NULL)
		c->at++;
	return (c->at - from);
}

static inline bool
json_check_string(struct json_check *c)
{
	if (!json_check_take(c, '"'))
		return (false);
	while (c->at < c->end && *c->at != '"') {
		if (*c->at < 0x20 || *c->at == 0x7f)
			return (false);
		if (*c->at++ != '\\')
			continue;
		if (json_check_take(c, 'u')) {
			if (json_check_span(c, "0123456789abcdef", 4) != 4)
				return (false);
		} else if (json_check_span(c, "\"\\/bfnrt", 1) != 1) {
			return (false);
		}
	}
	return (json_check_take(c, '"'));
}

static inline bool
json_check_number(struct json_check *c)
{
	static const char digits[] = "0123456789";

	json_check_take(c, '-');
	if (!json_check_take(c, '0') && json_check_span(c, digits, 99) == 0)
		return (false);
	if (json_check_take(c, '.'))
		return (json_check_span(c, digits, 99) > 0);
	return (true);
}

static inline bool
json_check_word(struct json_check *c, const char *word)
{
	size_t len = strlen(word);

	if ((size_t)(c->end - c->at) < len || memcmp(c->at, word, len) != 0)
		return (false);
	c->at += len;
	return (true);
}

/* The elements of an array or object, behind its opening bracket. */
static inline bool
json_check_list(struct json_check *c, bool keys, char close)
{
	if (json_check_take(c, close))
		return (true);
	do {
		if (keys && !(json_check_string(c) && json_check_take(c, ':')))
			return (false);
		if (!json_check_value(c))
			return (false);
	} while (json_check_take(c, ','));
	return (json_check_take(c, close));
}

static bool
json_check_value(struct json_check *c)
{
	if (json_check_take(c, '{'))
		return (json_check_list(c, true, '}'));
	if (json_check_take(c, '['))
		return (json_check_list(c, false, ']'));
	return (json_check_word(c, "true") || json_check_word(c, "false") ||
		json_check_word(c, "null") || json_check_number(c) ||
		json_check_string(c));
}

static inline bool
json_check(const char *s, size_t len)
{
	struct json_check c = { s, s + len };

	return (len > 0 && *s == '{' && json_check_value(&c) && c.at == c.end);
}

#endif
