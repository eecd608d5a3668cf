/*
 * Writes one JSON object, piece by piece, and escapes whatever bytes a peer may
 * have sent.
 */
#include "common/base/json.h"

#include <assert.h>
#include <string.h>

#include "common/base/decimal.h"

void
json_init(struct json *j, char *buf, size_t size)
{
	assert(size >= 2);
	*j = (struct json){ .buf = buf, .size = size };
	j->buf[j->len++] = '{';
	j->depth = 1;
}

/*
 * One byte per open bracket is never given away, so all of them can be
 * closed. False: no room, and the field must be taken back.
 */
static bool
put(struct json *j, const char *s, size_t len)
{
	if (j->size - j->len - j->depth < len)
		return (false);
	memcpy(j->buf + j->len, s, len);
	j->len += len;
	return (true);
}

/* What stands before the value: comma and key. */
static bool
put_key(struct json *j, const char *key)
{
	assert((key == NULL) == (j->depth > 1 || j->skipped > 0));
	if (j->skipped > 0 || (j->comma && !put(j, ",", 1)))
		return (false);
	return (key == NULL || (put(j, "\"", 1) && put(j, key, strlen(key)) &&
				   put(j, "\":", 2)));
}

/* Keeps the field, or takes it back to where it began. */
static void
finish(struct json *j, size_t start, bool fits)
{
	if (fits) {
		j->comma = true;
	} else {
		j->len = start;
		j->truncated = true;
	}
}

static void
put_value(struct json *j, const char *key, const char *s, size_t len)
{
	size_t start = j->len;

	finish(j, start, put_key(j, key) && put(j, s, len));
}

static bool
put_hex(struct json *j, const char *prefix, uint8_t byte)
{
	static const char digits[] = "0123456789abcdef";
	char hex[2] = { digits[byte >> 4], digits[byte & 15] };

	return (put(j, prefix, strlen(prefix)) && put(j, hex, 2));
}

static bool
put_escaped(struct json *j, uint8_t byte, bool raw)
{
	switch (byte) {
	case '"':
		return (put(j, "\\\"", 2));
	case '\\':
		return (put(j, raw ? "\\\\x5c" : "\\\\", raw ? 5 : 2));
	case '\n':
		if (!raw)
			return (put(j, "\\n", 2));
		break;
	case '\t':
		if (!raw)
			return (put(j, "\\t", 2));
		break;
	}
	return (put_hex(j, raw || byte >= 0x80 ? "\\\\x" : "\\u00", byte));
}

/* Printable ASCII but for the quote and the backslash. */
static const bool plain[UINT8_MAX + 1] = {
	[' ' ... '!'] = true,
	['#' ... '['] = true,
	[']' ... '~'] = true,
};

/* Runs of plain bytes are copied at once. */
static bool
put_text(struct json *j, const uint8_t *s, size_t len, bool raw)
{
	size_t i, from = 0;

	for (i = 0; i < len; i++) {
		if (plain[s[i]])
			continue;
		if (!put(j, (const char *)s + from, i - from) ||
		    !put_escaped(j, s[i], raw))
			return (false);
		from = i + 1;
	}
	return (put(j, (const char *)s + from, len - from));
}

static void
put_quoted(struct json *j, const char *key, const void *s, size_t len, bool raw)
{
	size_t start = j->len;

	finish(j, start,
	    put_key(j, key) && put(j, "\"", 1) && put_text(j, s, len, raw) &&
		put(j, "\"", 1));
}

void
json_string(struct json *j, const char *key, const char *s)
{
	if (s == NULL)
		put_value(j, key, "null", 4);
	else
		put_quoted(j, key, s, strlen(s), false);
}

void
json_bytes(struct json *j, const char *key, const void *s, size_t len)
{
	put_quoted(j, key, len > 0 ? s : "", len, true);
}

void
json_uint(struct json *j, const char *key, uint64_t value)
{
	char text[DECIMAL_MAX];

	put_value(j, key, text, decimal_put(text, value));
}

void
json_bool(struct json *j, const char *key, bool value)
{
	put_value(j, key, value ? "true" : "false", value ? 4 : 5);
}

void
json_msec(struct json *j, const char *key, int64_t ns)
{
	int64_t usec = ns / 1000;
	uint64_t size = usec < 0 ? -(uint64_t)usec : (uint64_t)usec;
	char text[1 + DECIMAL_MAX + 4];
	size_t len = 0;

	if (usec < 0)
		text[len++] = '-';
	len += decimal_put(text + len, size / 1000);
	text[len++] = '.';
	len += decimal_put_padded(text + len, size, 3);
	put_value(j, key, text, len);
}

/*
 * An array that has no room is counted, so that its elements and its end are
 * known to belong to it.
 */
void
json_array_open(struct json *j, const char *key)
{
	size_t start = j->len;
	bool fits = put_key(j, key);

	/* The bracket, and the reserve for the one that closes it. */
	fits = fits && put(j, "[]", 2);
	finish(j, start, fits);
	if (!fits) {
		j->skipped++;
		return;
	}
	j->len--;
	j->depth++;
	j->comma = false;
}

static void
close_array(struct json *j)
{
	j->buf[j->len++] = ']';
	j->depth--;
	j->comma = true;
}

void
json_array_close(struct json *j)
{
	assert(j->depth > 1 || j->skipped > 0);
	if (j->skipped > 0)
		j->skipped--;
	else
		close_array(j);
}

size_t
json_end(struct json *j)
{
	j->skipped = 0;
	while (j->depth > 1)
		close_array(j);
	if (j->depth == 1) {
		j->buf[j->len++] = '}';
		j->depth = 0;
	}
	return (j->len);
}
