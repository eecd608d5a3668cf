/* Prints audit lines, as JSON and as text, from the facts of a tunnel. */
#include "common/log/audit.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>

#include "common/base/clock.h"
#include "common/base/json.h"
#include "common/log/sink.h"

/* Names are the operator's own, and as long as he likes. */
#define NAME_CUT 255

/* The text of one dialled address: address, blank, reason. */
#define TRY_SIZE (ADDR_TEXT_SIZE + 40)

/*
 * One of the two formats under construction. A field that has no room left
 * is dropped whole, in both.
 */
struct audit_out {
	enum audit_syntax format;
	struct json json;
	char *buf; /* TEXT only, from here on */
	size_t size, len;
	bool truncated;
};

/* A line's facts, and the words in them. */
struct audit_source {
	const struct audit_line *line;
	const struct tunnel_facts *f;
	struct piece words[FACTS_WORDS];
};

/* Room is kept for the newline. */
static void
text_raw(struct audit_out *o, const char *s, size_t len)
{
	if (o->truncated || len > o->size - 1 - o->len) {
		o->truncated = true;
		return;
	}
	memcpy(o->buf + o->len, s, len);
	o->len += len;
}

/*
 * A value. What separates and marks pairs (blank, '=', '"') is escaped as
 * every unprintable byte is, so that a peer's bytes stay one value.
 */
static void
text_escaped(struct audit_out *o, const void *bytes, size_t len)
{
	static const char hex[] = "0123456789abcdef";
	const uint8_t *p = bytes;
	size_t i;

	for (i = 0; i < len; i++) {
		char esc[4] = { '\\', 'x', hex[p[i] >> 4], hex[p[i] & 15] };

		if (p[i] > 0x20 && p[i] < 0x7f && p[i] != '=' && p[i] != '"' &&
		    p[i] != '\\')
			text_raw(o, (const char *)p + i, 1);
		else
			text_raw(o, esc, sizeof(esc));
	}
}

/* One pair; the next may still fit where this one did not. */
static void
text_pair(struct audit_out *o, const char *key, const void *bytes, size_t len)
{
	size_t start = o->len;
	bool before = o->truncated;

	o->truncated = false;
	text_raw(o, " ", 1);
	text_raw(o, key, strlen(key));
	text_raw(o, "=", 1);
	text_escaped(o, bytes, len);
	if (o->truncated)
		o->len = start;
	o->truncated |= before;
}

static void
put_bytes(struct audit_out *o, const char *key, const void *bytes, size_t len)
{
	if (o->format == AUDIT_JSON)
		json_bytes(&o->json, key, bytes, len);
	else
		text_pair(o, key, bytes, len);
}

static void
put_string(struct audit_out *o, const char *key, const char *s)
{
	size_t len;

	if (s == NULL)
		return;
	len = strlen(s);
	put_bytes(o, key, s, len < NAME_CUT ? len : NAME_CUT);
}

static void
put_uint(struct audit_out *o, const char *key, uint64_t value)
{
	char text[24];
	int n;

	if (o->format == AUDIT_JSON) {
		json_uint(&o->json, key, value);
		return;
	}
	n = snprintf(text, sizeof(text), "%" PRIu64, value);
	text_pair(o, key, text, (size_t)n);
}

static void
put_bool(struct audit_out *o, const char *key, bool value)
{
	if (o->format == AUDIT_JSON)
		json_bool(&o->json, key, value);
	else
		put_string(o, key, value ? "true" : "false");
}

static void
put_msec(struct audit_out *o, const char *key, int64_t ns)
{
	char text[32];
	int n;

	if (ns < 0)
		return;
	if (o->format == AUDIT_JSON) {
		json_msec(&o->json, key, ns);
		return;
	}
	n = snprintf(text, sizeof(text), "%" PRId64 ".%03" PRId64,
	    ns / CLOCK_MSEC, ns % CLOCK_MSEC / CLOCK_USEC);
	text_pair(o, key, text, (size_t)n);
}

static void
put_addr(struct audit_out *o, const char *key, const struct addr *addr)
{
	char text[ADDR_TEXT_SIZE];

	if (addr->family != 0)
		put_bytes(o, key, text, addr_format(addr, text));
}

/* "192.0.2.1:443 connect_refused"; the address that was chosen is "ok", one
 * that was still open when that was chosen is "open". */
static size_t
try_format(const struct tunnel_facts *f, const struct facts_try *try,
    char separator, char buf[TRY_SIZE])
{
	char text[ADDR_TEXT_SIZE];
	const char *what = reason_name(try->reason);
	int n;

	addr_format(&try->addr, text);
	if (try->reason == REASON_NONE)
		what = addr_equal(&try->addr, &f->upstream) ? "ok" : "open";
	n = snprintf(buf, TRY_SIZE, "%s%c%s", text, separator, what);
	assert(n > 0 && n < TRY_SIZE);
	return ((size_t)n);
}

static void
put_tried(struct audit_out *o, const struct audit_source *s)
{
	struct facts_try tried[FACTS_TRIED_MAX];
	size_t i, n = facts_tries(s->line->text, s->f->text_len, tried);
	char text[FACTS_TRIED_MAX * (TRY_SIZE + 1)];
	size_t len = 0;

	if (n == 0)
		return;
	if (o->format == AUDIT_JSON) {
		json_array_open(&o->json, "tried");
		for (i = 0; i < n; i++) {
			try_format(s->f, &tried[i], ' ', text);
			json_string(&o->json, NULL, text);
		}
		json_array_close(&o->json);
		return;
	}
	for (i = 0; i < n; i++) {
		if (i > 0)
			text[len++] = ',';
		len += try_format(s->f, &tried[i], '/', text + len);
	}
	text_pair(o, "tried", text, len);
}

static void
put_word(struct audit_out *o, const char *key, struct piece word)
{
	if (word.s != NULL)
		put_bytes(o, key, word.s, word.len);
}

/* A word that may have been cut, and then is told with its length. */
static void
put_cut_word(struct audit_out *o, const char *key, const char *length_key,
    struct piece word, uint32_t full)
{
	put_word(o, key, word);
	if (word.s != NULL && full > word.len)
		put_uint(o, length_key, full);
}

static const char *
side_name(unsigned side)
{
	switch (side) {
	case FACTS_SIDE_CLIENT:
		return ("client");
	case FACTS_SIDE_UPSTREAM:
		return ("upstream");
	default:
		return ("sniport");
	}
}

static const char *
decision_name(unsigned decision)
{
	switch (decision) {
	case FACTS_ALLOW:
		return ("allow");
	case FACTS_DENY:
		return ("deny");
	case FACTS_REPORT:
		return ("report");
	default:
		return (NULL);
	}
}

/* How a tunnel ended; bytes are only meant where there was an upstream. */
static void
put_end(struct audit_out *o, const struct audit_source *s)
{
	const struct tunnel_facts *f = s->f;

	if (s->line->event != AUDIT_END)
		return;
	if (f->upstream.family != 0) {
		put_uint(o, "bytes_from_client", f->bytes_from_client);
		put_uint(o, "bytes_from_upstream", f->bytes_from_upstream);
	}
	put_string(o, "closed_first", side_name(f->closed_first));
	if (f->client_truncated)
		put_bool(o, "client_truncated", true);
}

static void
put_tunnel(struct audit_out *o, const struct tunnel_facts *f)
{
	char id[FACTS_ID_SIZE];

	facts_format_id(f, id);
	put_string(o, "tunnel", id);
}

static void
put_times(struct audit_out *o, const struct tunnel_facts *f)
{
	put_msec(o, "hello_ms", f->hello_ns);
	put_msec(o, "handshake_ms", f->handshake_ns);
	put_msec(o, "dns_ms", f->dns_ns);
	put_msec(o, "connect_ms", f->connect_ns);
}

static void
put_handshake(struct audit_out *o, const struct audit_source *s)
{
	put_string(o, "tls_version", facts_tls_version(s->f->tls_version));
	put_word(o, "tls_cipher", s->words[FACTS_CIPHER]);
	if (s->f->resumed >= 0)
		put_bool(o, "resumed", s->f->resumed > 0);
	put_times(o, s->f);
}

/*
 * What both formats have, after who, whither and why: the order is that in
 * which fields are worth reading, and the reverse of that in which they are
 * given up where a line becomes too long.
 */
static void
put_fields(struct audit_out *o, const struct audit_source *s)
{
	const struct facts_names *names = s->line->names;
	const struct tunnel_facts *f = s->f;

	put_string(o, "decision", decision_name(f->decision));
	put_string(o, "rule", facts_name(&names->rules, f->rule));
	if (f->would_deny != REASON_NONE)
		put_string(o, "would_deny", reason_name(f->would_deny));
	put_cut_word(o, "identity", "identity_length", s->words[FACTS_IDENTITY],
	    f->identity_len);
	put_word(o, "detail", s->words[FACTS_DETAIL]);
	put_end(o, s);
	put_msec(o, "total_ms", f->total_ns);
	put_tunnel(o, f);
	put_string(o, "listener", facts_name(&names->listeners, f->listener));
	put_addr(o, "proxy", &f->proxy);
	put_addr(o, "egress", &f->egress);
	put_string(
	    o, "egress_line", facts_name(&names->egress_lines, f->egress_line));
	put_handshake(o, s);
	put_cut_word(o, "server_name", "server_name_length",
	    s->words[FACTS_SERVER_NAME], f->server_name_len);
	put_tried(o, s);
}

/* Parts of fields above, for programs that would rather not split. */
static void
put_parts(struct audit_out *o, const struct audit_source *s)
{
	const struct tunnel_facts *f = s->f;
	char text[ADDR_TEXT_SIZE];

	put_uint(o, "worker", f->worker);
	put_uint(o, "generation", f->generation);
	if (f->client.family != 0) {
		addr_format_ip(&f->client, text);
		put_string(o, "client_address", text);
		put_uint(o, "client_port", f->client.port);
	}
	if (s->words[FACTS_HOST].s != NULL) {
		put_word(o, "host", s->words[FACTS_HOST]);
		put_uint(o, "port", f->port);
	}
}

static const char *
event_name(enum audit_event event)
{
	return (event == AUDIT_CONNECT ? "connect" : "end");
}

/* cut: facts have no room, or an attempt without this mark left out fields. */
static size_t
format_json(
    const struct audit_source *s, char *buf, size_t size, bool cut, bool *fits)
{
	struct audit_out o = { .format = AUDIT_JSON };
	const struct tunnel_facts *f = s->f;
	char stamp[CLOCK_TEXT_SIZE], target[TARGET_TEXT_SIZE];

	json_init(&o.json, buf, size - 1);
	clock_format(stamp, f->wall);
	put_string(&o, "time", stamp);
	put_string(&o, "event", event_name(s->line->event));
	if (f->reason != REASON_NONE)
		put_string(&o, "reason", reason_name(f->reason));
	put_addr(&o, "client", &f->client);
	if (s->words[FACTS_HOST].s != NULL)
		put_bytes(&o, "target", target,
		    facts_format_target(f, s->words[FACTS_HOST], target));
	put_addr(&o, "upstream", &f->upstream);
	if (cut)
		put_bool(&o, "cut", true);
	put_fields(&o, s);
	put_parts(&o, s);
	*fits = !o.json.truncated;
	return (json_end(&o.json));
}

/* "time reason client -> target via upstream", then pairs. */
static size_t
format_text(
    const struct audit_source *s, char *buf, size_t size, bool cut, bool *fits)
{
	struct audit_out o = { .format = AUDIT_TEXT, .buf = buf, .size = size };
	const struct tunnel_facts *f = s->f;
	char stamp[CLOCK_TEXT_SIZE], addr[ADDR_TEXT_SIZE] = "-";
	char target[TARGET_TEXT_SIZE] = "-";
	const char *what = event_name(s->line->event);
	size_t len = 1;

	clock_format(stamp, f->wall);
	if (s->line->event == AUDIT_END && f->reason != REASON_NONE)
		what = reason_name(f->reason);
	if (f->client.family != 0)
		addr_format(&f->client, addr);
	if (s->words[FACTS_HOST].s != NULL)
		len = facts_format_target(f, s->words[FACTS_HOST], target);
	text_escaped(&o, stamp, strlen(stamp));
	text_raw(&o, " ", 1);
	text_escaped(&o, what, strlen(what));
	text_raw(&o, " ", 1);
	text_escaped(&o, addr, strlen(addr));
	text_raw(&o, " -> ", 4);
	text_escaped(&o, target, len);
	if (f->upstream.family != 0) {
		addr_format(&f->upstream, addr);
		text_raw(&o, " via ", 5);
		text_escaped(&o, addr, strlen(addr));
	}
	if (cut)
		put_bool(&o, "cut", true);
	put_fields(&o, s);
	*fits = !o.truncated;
	return (o.len);
}

size_t
audit_format(const struct audit_line *line, enum audit_syntax format, char *buf,
    size_t size)
{
	size_t (*format_cb)(const struct audit_source *, char *, size_t, bool,
	    bool *) = format == AUDIT_JSON ? format_json : format_text;
	struct audit_source s = { .line = line, .f = line->facts };
	size_t len;
	bool fits;

	assert(size >= AUDIT_SIZE_MIN);
	if (size > SINK_LINE_MAX)
		size = SINK_LINE_MAX;
	facts_words(line->text, s.f->text_len, s.words);
	len = format_cb(&s, buf, size, s.f->cut != 0, &fits);
	/* A line that leaves something out says so. */
	if (!fits)
		len = format_cb(&s, buf, size, true, &fits);
	buf[len++] = '\n';
	return (len);
}

int
audit_write(
    struct sink *sink, enum audit_syntax format, const struct audit_line *line)
{
	char bytes[SINK_LINE_MAX];
	size_t len = audit_format(line, format, bytes, sizeof(bytes));

	return (sink_write(sink, LOG_INFO, bytes, len));
}

int
audit_write_dropped(struct sink *sink, enum audit_syntax format,
    unsigned worker, unsigned generation, uint64_t count)
{
	struct audit_out o = { .format = format };
	char line[SINK_LINE_MAX], stamp[CLOCK_TEXT_SIZE];

	clock_format(stamp, clock_wall());
	if (format == AUDIT_JSON) {
		json_init(&o.json, line, sizeof(line) - 1);
		put_string(&o, "time", stamp);
		put_string(&o, "event", "dropped");
	} else {
		o.buf = line;
		o.size = sizeof(line);
		text_raw(&o, stamp, strlen(stamp));
		text_raw(&o, " dropped", 8);
	}
	put_uint(&o, "count", count);
	put_uint(&o, "worker", worker);
	put_uint(&o, "generation", generation);
	if (format == AUDIT_JSON)
		o.len = json_end(&o.json);
	line[o.len++] = '\n';
	return (sink_write(sink, LOG_WARNING, line, o.len));
}

bool
audit_tells_dropped(const char *line, size_t len)
{
	static const char *const events[] = { "\"event\":\"dropped\"",
		" dropped count=" };
	/* Before anything that a peer has sent. */
	const size_t head = CLOCK_TEXT_SIZE + 40;
	size_t i;

	if (len > head)
		len = head;
	for (i = 0; i < sizeof(events) / sizeof(events[0]); i++)
		if (memmem(line, len, events[i], strlen(events[i])) != NULL)
			return (true);
	return (false);
}
