/*
 * Audit lines of anything a peer may send: always one line of printable
 * ASCII that is not too long, well-formed, with each field once, and with
 * the server name in it from which the raw bytes can be had back.
 */
#include <ctype.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/log/audit.h"
#include "common/log/sink.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
	const uint8_t *p;
	size_t left;
};

static unsigned
take(struct input *in)
{
	if (in->left == 0)
		return (0);
	in->left--;
	return (*in->p++);
}

/* A string of at most max bytes, cut out of the input. */
static const uint8_t *
take_bytes(struct input *in, size_t max, size_t *len)
{
	const uint8_t *p = in->p;

	*len = take(in) * 3;
	p = in->p;
	if (*len > max)
		*len = max;
	if (*len > in->left)
		*len = in->left;
	in->p += *len;
	in->left -= *len;
	return (p);
}

static const char *
take_string(struct input *in, char *buf, size_t size)
{
	size_t len;
	const uint8_t *p = take_bytes(in, size - 1, &len);

	memcpy(buf, p, len);
	buf[len] = '\0';
	return (len % 7 == 6 ? NULL : buf);
}

static struct addr
take_addr(struct input *in)
{
	struct addr a;
	unsigned i, kind = take(in) % 3;

	memset(&a, 0, sizeof(a));
	a.family = kind == 0 ? AF_INET : AF_INET6;
	for (i = 0; i < (kind == 0 ? 4U : 16U); i++)
		a.ip[i] = (uint8_t)(kind == 1 ? 0xff : take(in));
	a.port = (uint16_t)(take(in) * 257);
	return (a);
}

/* One hexadecimal digit. */
static unsigned
nibble(char c)
{
	if (!isxdigit((unsigned char)c))
		abort();
	return ((unsigned)(isdigit((unsigned char)c) ? c - '0' : c - 'a' + 10));
}

/* The bytes of a value up to end; escapes are "\\xHH" in JSON and "\xHH" in
 * text, and JSON also has "\"". */
static size_t
unescape(const char *s, const char *end, bool json, uint8_t *out)
{
	size_t n = 0;

	while (s < end) {
		if (*s != '\\') {
			out[n++] = (uint8_t)*s++;
			continue;
		}
		s++;
		if (json && *s == '"') {
			out[n++] = (uint8_t)*s++;
			continue;
		}
		if (json && *s++ != '\\')
			abort();
		if (*s++ != 'x')
			abort();
		out[n++] = (uint8_t)(nibble(s[0]) << 4 | nibble(s[1]));
		s += 2;
	}
	return (n);
}

/* Skips a JSON string and returns what is behind it. */
static const char *
skip_string(const char *s)
{
	if (*s++ != '"')
		abort();
	for (; *s != '"'; s++)
		if (*s == '\0' || (*s == '\\' && *++s == '\0'))
			abort();
	return (s + 1);
}

static const char *
skip_array(const char *s)
{
	if (*++s == ']')
		return (s + 1);
	for (;; s++) {
		s = skip_string(s);
		if (*s == ']')
			return (s + 1);
		if (*s != ',')
			abort();
	}
}

static const char *
skip_value(const char *s)
{
	size_t n;

	if (*s == '"')
		return (skip_string(s));
	if (*s == '[')
		return (skip_array(s));
	n = strspn(s, "-0123456789.truefals");
	if (n == 0)
		abort();
	return (s + n);
}

struct found {
	const char *name, *end; /* the value of server_name */
	bool cut;
};

/* Counts the keys of a line; none may come twice. */
struct keys {
	const char *key[64];
	size_t len[64], n;
};

static void
note_key(struct keys *k, const char *key, size_t len)
{
	size_t i;

	for (i = 0; i < k->n; i++)
		if (k->len[i] == len && memcmp(k->key[i], key, len) == 0)
			abort();
	if (k->n == 64 || strspn(key, "abcdefghijklmnopqrstuvwxyz_") < len)
		abort();
	k->key[k->n] = key;
	k->len[k->n++] = len;
}

static struct found
parse_json(const char *s)
{
	struct found f = { NULL, NULL, false };
	struct keys keys = { .n = 0 };
	const char *key, *value;

	do {
		key = ++s + 1; /* behind '{' or ',' */
		s = skip_string(s);
		note_key(&keys, key, (size_t)(s - 1 - key));
		if (*s++ != ':')
			abort();
		value = s;
		s = skip_value(s);
		if (strncmp(key, "server_name\"", 12) == 0) {
			f.name = value + 1;
			f.end = s - 1;
		}
		f.cut |= strncmp(key, "cut\"", 4) == 0;
	} while (*s == ',');
	if (strcmp(s, "}\n") != 0)
		abort();
	return (f);
}

static struct found
parse_text(const char *s)
{
	struct found f = { NULL, NULL, false };
	struct keys keys = { .n = 0 };
	const char *end, *equal;

	for (; *s != '\0'; s = end + 1) {
		end = s + strcspn(s, " \n");
		equal = memchr(s, '=', (size_t)(end - s));
		if (equal == NULL) {
			if (keys.n > 0)
				abort();
			continue;
		}
		note_key(&keys, s, (size_t)(equal - s));
		if (memchr(equal + 1, '=', (size_t)(end - equal - 1)))
			abort();
		if (strncmp(s, "server_name=", 12) == 0) {
			f.name = equal + 1;
			f.end = end;
		}
		f.cut |= strncmp(s, "cut=", 4) == 0;
	}
	return (f);
}

static void
check(const struct audit_record *r, enum audit_syntax format, size_t room)
{
	char line[SINK_LINE_MAX + 1];
	uint8_t raw[SINK_LINE_MAX];
	struct found f;
	size_t i, n, len = audit_format(r, format, line, room);

	if (len < 2 || len > room || line[len - 1] != '\n')
		abort();
	line[len] = '\0';
	for (i = 0; i + 1 < len; i++)
		if (line[i] < 0x20 || line[i] > 0x7e)
			abort();
	f = format == AUDIT_JSON ? parse_json(line) : parse_text(line);
	if (r->server_name == NULL) {
		if (f.name != NULL)
			abort();
		return;
	}
	if (f.name == NULL) {
		if (!f.cut)
			abort();
		return;
	}
	n = unescape(f.name, f.end, format == AUDIT_JSON, raw);
	len = r->server_name_len;
	if (n != (len < TARGET_RAW_MAX ? len : TARGET_RAW_MAX) ||
	    memcmp(raw, r->server_name, n) != 0)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const decisions[] = { NULL, "allow", "deny",
		"report" };
	struct audit_record r;
	struct audit_try tried[AUDIT_TRIED_MAX];
	char rule[300], detail[300], listener[80], identity[700], egress[70];
	struct input in = { data, size };
	struct target t;
	size_t i, room;

	memset(&r, 0, sizeof(r));
	r.event = take(&in) % 2 ? AUDIT_CONNECT : AUDIT_END;
	r.reason = take(&in) % REASON_COUNT;
	r.closed_first = take(&in) % 3;
	r.resumed = (int)(take(&in) % 3) - 1;
	r.decision = decisions[take(&in) % 4];
	r.would_deny = take(&in) % REASON_COUNT;
	r.client_truncated = take(&in) % 2;
	room = AUDIT_SIZE_MIN + take(&in) * 13;
	if (room > SINK_LINE_MAX)
		room = SINK_LINE_MAX;
	r.ntried = take(&in) % (AUDIT_TRIED_MAX + 1);
	for (i = 0; i < r.ntried; i++) {
		tried[i].reason = take(&in) % REASON_COUNT;
		tried[i].addr = take_addr(&in);
	}
	r.tried = tried;
	if (take(&in) % 2)
		r.client = take_addr(&in);
	if (take(&in) % 2)
		r.upstream = take_addr(&in);
	if (take(&in) % 2)
		r.proxy = take_addr(&in);
	r.hello_ns = (int64_t)(take(&in) * INT64_C(1000003)) - 1;
	r.total_ns = take(&in) % 2 ? INT64_MAX : -1;
	r.tunnel = r.bytes_from_client = take(&in) % 2 ? UINT64_MAX : 0;
	r.rule = take_string(&in, rule, sizeof(rule));
	r.detail = take_string(&in, detail, sizeof(detail));
	r.listener = take_string(&in, listener, sizeof(listener));
	r.identity = take_string(&in, identity, sizeof(identity));
	r.line = take_string(&in, egress, sizeof(egress));
	r.server_name = take_bytes(&in, 700, &r.server_name_len);
	if (r.server_name_len % 5 == 4)
		r.server_name = NULL;
	else if (target_parse(&t, r.server_name, r.server_name_len, 443) ==
		 REASON_NONE)
		r.target = &t;
	check(&r, AUDIT_JSON, room);
	check(&r, AUDIT_TEXT, room);
	return (0);
}
