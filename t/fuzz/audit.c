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
#include "t/fuzz/input.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

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

/* raw: the server name that was packed; NULL: none. */
static void
check(const struct audit_line *l, struct piece raw, enum audit_syntax format,
    size_t room)
{
	char line[SINK_LINE_MAX + 1];
	uint8_t found[SINK_LINE_MAX];
	struct found f;
	size_t i, n, len = audit_format(l, format, line, room);

	if (len < 2 || len > room || line[len - 1] != '\n')
		abort();
	line[len] = '\0';
	for (i = 0; i + 1 < len; i++)
		if (line[i] < 0x20 || line[i] > 0x7e)
			abort();
	f = format == AUDIT_JSON ? parse_json(line) : parse_text(line);
	if (raw.s == NULL) {
		if (f.name != NULL)
			abort();
		return;
	}
	if (f.name == NULL) {
		if (!f.cut)
			abort();
		return;
	}
	n = unescape(f.name, f.end, format == AUDIT_JSON, found);
	len = raw.len;
	if (n != (len < TARGET_RAW_MAX ? len : TARGET_RAW_MAX) ||
	    memcmp(found, raw.s, n) != 0)
		abort();
}

static void
put(struct tunnel_facts *f, uint8_t *text, enum facts_word word,
    const void *bytes, size_t len)
{
	if (bytes != NULL &&
	    facts_put(f, text, FACTS_TEXT_MAX, word, bytes, len) != 0)
		abort();
}

static void
put_tried(struct tunnel_facts *f, uint8_t *text, struct input *in)
{
	uint8_t word[FACTS_TRY_SIZE];
	size_t i, n = take(in) % (FACTS_TRIED_MAX + 1);
	struct facts_try try;

	for (i = 0; i < n; i++) {
		try.reason = take(in) % REASON_COUNT;
		try.addr = take_addr(in);
		facts_try_pack(word, &try);
		put(f, text, FACTS_TRIED, word, sizeof(word));
	}
}

static void
put_string(
    struct tunnel_facts *f, uint8_t *text, enum facts_word word, const char *s)
{
	put(f, text, word, s, s != NULL ? strlen(s) : 0);
}

static void
take_numbers(struct tunnel_facts *f, struct input *in)
{
	f->reason = take(in) % REASON_COUNT;
	f->closed_first = take(in) % 3;
	f->resumed = (int8_t)(take(in) % 3) - 1;
	f->decision = take(in) % 4;
	f->would_deny = take(in) % REASON_COUNT;
	f->client_truncated = take(in) % 2;
	if (take(in) % 2)
		f->client = take_addr(in);
	if (take(in) % 2)
		f->upstream = take_addr(in);
	if (take(in) % 2)
		f->proxy = take_addr(in);
	f->hello_ns = (int64_t)(take(in) * INT64_C(1000003)) - 1;
	f->total_ns = take(in) % 2 ? INT64_MAX : -1;
	f->number = take(in) % 2 ? UINT64_MAX : 0;
	f->bytes_from_client = f->number;
	f->rule = f->egress_line = f->listener = 0;
}

static struct facts_table
row(const char **name)
{
	return ((struct facts_table){ name, *name != NULL, sizeof(*name) });
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tunnel_facts f;
	uint8_t text[FACTS_TEXT_MAX];
	char rules[300], detail[300], listeners[80], identity[700], lines[70];
	const char *rule, *line, *listener;
	struct input in = { data, size };
	struct facts_names names;
	struct audit_line l = { AUDIT_END, &f, text, &names };
	struct target t;
	struct piece raw;
	size_t room;

	facts_init(&f);
	l.event = take(&in) % 2 ? AUDIT_CONNECT : AUDIT_END;
	room = AUDIT_SIZE_MIN + take(&in) * 13;
	if (room > SINK_LINE_MAX)
		room = SINK_LINE_MAX;
	take_numbers(&f, &in);
	rule = take_string(&in, rules, sizeof(rules));
	listener = take_string(&in, listeners, sizeof(listeners));
	line = take_string(&in, lines, sizeof(lines));
	names = (struct facts_names){ row(&rule), row(&line), row(&listener) };
	put_tried(&f, text, &in);
	put_string(
	    &f, text, FACTS_DETAIL, take_string(&in, detail, sizeof(detail)));
	put_string(&f, text, FACTS_IDENTITY,
	    take_string(&in, identity, sizeof(identity)));
	raw.s = (const char *)take_bytes(&in, 700, &raw.len);
	if (raw.len % 5 == 4)
		raw.s = NULL;
	put(&f, text, FACTS_SERVER_NAME, raw.s, raw.len);
	if (raw.s != NULL &&
	    target_parse(&t, raw.s, raw.len, 443) == REASON_NONE) {
		put(&f, text, FACTS_HOST, t.host, t.host_len);
		f.port = t.port;
	}
	check(&l, raw, AUDIT_JSON, room);
	check(&l, raw, AUDIT_TEXT, room);
	return (0);
}
