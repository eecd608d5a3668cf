#include "common/log/audit.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>

#include "common/base/clock.h"
#include "common/base/json.h"
#include "common/log/sink.h"

/* What others may make as long as they like is cut to this, so that the
 * fields that matter always fit. */
#define RAW_MAX	     TARGET_RAW_MAX
#define WORDS_MAX    255
#define IDENTITY_CUT 256 /* a certificate's word, up to 2048 bytes */

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
	put_bytes(o, key, s, len < WORDS_MAX ? len : WORDS_MAX);
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
try_format(const struct audit_record *r, const struct audit_try *try,
    char separator, char buf[TRY_SIZE])
{
	char text[ADDR_TEXT_SIZE];
	const char *what = reason_name(try->reason);
	int n;

	addr_format(&try->addr, text);
	if (try->reason == REASON_NONE)
		what = addr_equal(&try->addr, &r->upstream) ? "ok" : "open";
	n = snprintf(buf, TRY_SIZE, "%s%c%s", text, separator, what);
	assert(n > 0 && n < TRY_SIZE);
	return ((size_t)n);
}

static void
put_tried(struct audit_out *o, const struct audit_record *r)
{
	size_t i, n, len = 0;
	char text[AUDIT_TRIED_MAX * (TRY_SIZE + 1)];

	if (r->ntried == 0)
		return;
	n = r->ntried < AUDIT_TRIED_MAX ? r->ntried : AUDIT_TRIED_MAX;
	if (o->format == AUDIT_JSON) {
		json_array_open(&o->json, "tried");
		for (i = 0; i < n; i++) {
			try_format(r, &r->tried[i], ' ', text);
			json_string(&o->json, NULL, text);
		}
		json_array_close(&o->json);
		return;
	}
	for (i = 0; i < n; i++) {
		if (i > 0)
			text[len++] = ',';
		len += try_format(r, &r->tried[i], '/', text + len);
	}
	text_pair(o, "tried", text, len);
}

static void
put_server_name(struct audit_out *o, const struct audit_record *r)
{
	size_t len = r->server_name_len;

	if (r->server_name == NULL)
		return;
	put_bytes(
	    o, "server_name", r->server_name, len < RAW_MAX ? len : RAW_MAX);
	if (len > RAW_MAX)
		put_uint(o, "server_name_length", len);
}

static void
put_identity(struct audit_out *o, const struct audit_record *r)
{
	size_t len;

	if (r->identity == NULL)
		return;
	len = strlen(r->identity);
	put_bytes(o, "identity", r->identity,
	    len < IDENTITY_CUT ? len : IDENTITY_CUT);
	if (len > IDENTITY_CUT)
		put_uint(o, "identity_length", len);
}

static const char *
side_name(enum audit_side side)
{
	switch (side) {
	case AUDIT_SIDE_CLIENT:
		return ("client");
	case AUDIT_SIDE_UPSTREAM:
		return ("upstream");
	case AUDIT_SIDE_NONE:
		break;
	}
	return ("sniport");
}

/* How a tunnel ended; bytes are only meant where there was an upstream. */
static void
put_end(struct audit_out *o, const struct audit_record *r)
{
	if (r->event != AUDIT_END)
		return;
	if (r->upstream.family != 0) {
		put_uint(o, "bytes_from_client", r->bytes_from_client);
		put_uint(o, "bytes_from_upstream", r->bytes_from_upstream);
	}
	put_string(o, "closed_first", side_name(r->closed_first));
	if (r->client_truncated)
		put_bool(o, "client_truncated", true);
}

static void
put_tunnel(struct audit_out *o, const struct audit_record *r)
{
	char id[64];

	snprintf(id, sizeof(id), "%u-%u-%" PRIu64, r->generation, r->worker,
	    r->tunnel);
	put_string(o, "tunnel", id);
}

static void
put_times(struct audit_out *o, const struct audit_record *r)
{
	put_msec(o, "hello_ms", r->hello_ns);
	put_msec(o, "handshake_ms", r->handshake_ns);
	put_msec(o, "dns_ms", r->dns_ns);
	put_msec(o, "connect_ms", r->connect_ns);
}

/*
 * What both formats have, after who, whither and why: the order is that in
 * which fields are worth reading, and the reverse of that in which they are
 * given up where a line becomes too long.
 */
static void
put_fields(struct audit_out *o, const struct audit_record *r)
{
	put_string(o, "decision", r->decision);
	put_string(o, "rule", r->rule);
	if (r->would_deny != REASON_NONE)
		put_string(o, "would_deny", reason_name(r->would_deny));
	put_identity(o, r);
	put_string(o, "detail", r->detail);
	put_end(o, r);
	put_msec(o, "total_ms", r->total_ns);
	put_tunnel(o, r);
	put_string(o, "listener", r->listener);
	put_addr(o, "proxy", &r->proxy);
	put_addr(o, "egress", &r->egress);
	put_string(o, "egress_line", r->line);
	put_string(o, "tls_version", r->tls_version);
	put_string(o, "tls_cipher", r->tls_cipher);
	if (r->resumed >= 0)
		put_bool(o, "resumed", r->resumed > 0);
	put_times(o, r);
	put_server_name(o, r);
	put_tried(o, r);
}

/* Parts of fields above, for programs that would rather not split. */
static void
put_parts(struct audit_out *o, const struct audit_record *r)
{
	char text[ADDR_TEXT_SIZE];

	put_uint(o, "worker", r->worker);
	put_uint(o, "generation", r->generation);
	if (r->client.family != 0) {
		addr_format_ip(&r->client, text);
		put_string(o, "client_address", text);
		put_uint(o, "client_port", r->client.port);
	}
	if (r->target != NULL) {
		put_string(o, "host", r->target->host);
		put_uint(o, "port", r->target->port);
	}
}

static const char *
event_name(enum audit_event event)
{
	return (event == AUDIT_CONNECT ? "connect" : "end");
}

/* cut: an attempt without this mark had to leave out fields. */
static size_t
format_json(
    const struct audit_record *r, char *buf, size_t size, bool cut, bool *fits)
{
	struct audit_out o = { .format = AUDIT_JSON };
	char stamp[CLOCK_TEXT_SIZE], target[TARGET_TEXT_SIZE];

	json_init(&o.json, buf, size - 1);
	clock_format(stamp, r->start);
	put_string(&o, "time", stamp);
	put_string(&o, "event", event_name(r->event));
	if (r->reason != REASON_NONE)
		put_string(&o, "reason", reason_name(r->reason));
	put_addr(&o, "client", &r->client);
	if (r->target != NULL)
		put_bytes(
		    &o, "target", target, target_format(r->target, target));
	put_addr(&o, "upstream", &r->upstream);
	if (cut)
		put_bool(&o, "cut", true);
	put_fields(&o, r);
	put_parts(&o, r);
	*fits = !o.json.truncated;
	return (json_end(&o.json));
}

/* "time reason client -> target via upstream", then pairs. */
static size_t
format_text(
    const struct audit_record *r, char *buf, size_t size, bool cut, bool *fits)
{
	struct audit_out o = { .format = AUDIT_TEXT, .buf = buf, .size = size };
	char stamp[CLOCK_TEXT_SIZE], addr[ADDR_TEXT_SIZE] = "-";
	char target[TARGET_TEXT_SIZE] = "-";
	const char *what = event_name(r->event);

	clock_format(stamp, r->start);
	if (r->event == AUDIT_END && r->reason != REASON_NONE)
		what = reason_name(r->reason);
	if (r->client.family != 0)
		addr_format(&r->client, addr);
	if (r->target != NULL)
		target_format(r->target, target);
	text_escaped(&o, stamp, strlen(stamp));
	text_raw(&o, " ", 1);
	text_escaped(&o, what, strlen(what));
	text_raw(&o, " ", 1);
	text_escaped(&o, addr, strlen(addr));
	text_raw(&o, " -> ", 4);
	text_escaped(&o, target, strlen(target));
	if (r->upstream.family != 0) {
		addr_format(&r->upstream, addr);
		text_raw(&o, " via ", 5);
		text_escaped(&o, addr, strlen(addr));
	}
	if (cut)
		put_bool(&o, "cut", true);
	put_fields(&o, r);
	*fits = !o.truncated;
	return (o.len);
}

size_t
audit_format(const struct audit_record *r, enum audit_syntax format, char *buf,
    size_t size)
{
	size_t (*format_cb)(const struct audit_record *, char *, size_t, bool,
	    bool *) = format == AUDIT_JSON ? format_json : format_text;
	size_t len;
	bool fits;

	assert(size >= AUDIT_SIZE_MIN);
	if (size > SINK_LINE_MAX)
		size = SINK_LINE_MAX;
	len = format_cb(r, buf, size, false, &fits);
	/* A line that leaves something out says so. */
	if (!fits)
		len = format_cb(r, buf, size, true, &fits);
	buf[len++] = '\n';
	return (len);
}

int
audit_write(
    struct sink *sink, enum audit_syntax format, const struct audit_record *r)
{
	char line[SINK_LINE_MAX];
	size_t len = audit_format(r, format, line, sizeof(line));

	return (sink_write(sink, LOG_INFO, line, len));
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
