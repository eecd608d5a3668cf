/* Puts a record together, field by field; see record.h. */
#include "common/log/record.h"

#include <string.h>

#include "common/base/clock.h"
#include "common/base/decimal.h"

/* Names are the operator's own, and as long as he likes. */
#define NAME_CUT 255

void
record_init(struct record *o, bool json, char *buf, size_t size)
{
	*o = (struct record){ .is_json = json, .buf = buf, .size = size };
	if (json)
		json_init(&o->json, buf, size - 1);
}

size_t
record_end(struct record *o, bool *fits)
{
	*fits = o->is_json ? !o->json.truncated : !o->truncated;
	return (o->is_json ? json_end(&o->json) : o->len);
}

/* Room is kept for the newline. */
void
record_text(struct record *o, const char *s, size_t len)
{
	if (o->truncated || len > o->size - 1 - o->len) {
		o->truncated = true;
		return;
	}
	memcpy(o->buf + o->len, s, len);
	o->len += len;
}

void
record_escaped(struct record *o, const void *bytes, size_t len)
{
	static const char hex[] = "0123456789abcdef";
	const uint8_t *p = bytes;
	size_t i;

	for (i = 0; i < len; i++) {
		char esc[4] = { '\\', 'x', hex[p[i] >> 4], hex[p[i] & 15] };

		if (p[i] > 0x20 && p[i] < 0x7f && p[i] != '=' && p[i] != '"' &&
		    p[i] != '\\')
			record_text(o, (const char *)p + i, 1);
		else
			record_text(o, esc, sizeof(esc));
	}
}

/* One pair; the next may still fit where this one did not. */
void
record_pair(struct record *o, const char *key, const void *bytes, size_t len)
{
	size_t start = o->len;
	bool before = o->truncated;

	o->truncated = false;
	record_text(o, " ", 1);
	record_text(o, key, strlen(key));
	record_text(o, "=", 1);
	record_escaped(o, bytes, len);
	if (o->truncated)
		o->len = start;
	o->truncated |= before;
}

void
record_bytes(struct record *o, const char *key, const void *bytes, size_t len)
{
	if (o->is_json)
		json_bytes(&o->json, key, bytes, len);
	else
		record_pair(o, key, bytes, len);
}

void
record_string(struct record *o, const char *key, const char *s)
{
	size_t len;

	if (s == NULL)
		return;
	len = strlen(s);
	record_bytes(o, key, s, len < NAME_CUT ? len : NAME_CUT);
}

void
record_uint(struct record *o, const char *key, uint64_t value)
{
	char text[DECIMAL_MAX];

	if (o->is_json)
		json_uint(&o->json, key, value);
	else
		record_pair(o, key, text, decimal_put(text, value));
}

void
record_bool(struct record *o, const char *key, bool value)
{
	if (o->is_json)
		json_bool(&o->json, key, value);
	else
		record_string(o, key, value ? "true" : "false");
}

void
record_msec(struct record *o, const char *key, int64_t ns)
{
	char text[DECIMAL_MAX + 4];
	size_t len;

	if (ns < 0)
		return;
	if (o->is_json) {
		json_msec(&o->json, key, ns);
		return;
	}
	len = decimal_put(text, (uint64_t)(ns / CLOCK_MSEC));
	text[len++] = '.';
	len += decimal_put_padded(text + len, (uint64_t)(ns / CLOCK_USEC), 3);
	record_pair(o, key, text, len);
}

void
record_addr(struct record *o, const char *key, const struct addr *addr)
{
	char text[ADDR_TEXT_SIZE];

	if (addr->family != 0)
		record_bytes(o, key, text, addr_format(addr, text));
}
