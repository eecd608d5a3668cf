/* Prints audit lines, as JSON and as text, from the facts of a tunnel. */
#include "common/log/audit.h"

#include <assert.h>
#include <string.h>
#include <syslog.h>

#include "common/base/clock.h"
#include "common/log/record.h"
#include "common/log/sink.h"

/* The text of one dialled address: address, blank, reason. */
#define TRY_SIZE (ADDR_TEXT_SIZE + 40)

/* A line's facts, and the words in them. */
struct audit_source {
	const struct audit_line *line;
	const struct tunnel_facts *f;
	struct piece words[FACTS_WORDS];
};

/* "192.0.2.1:443 connect_refused"; the address that was chosen is "ok", one
 * that was still open when that was chosen is "open". */
static size_t
try_format(const struct tunnel_facts *f, const struct facts_try *try,
    char separator, char buf[TRY_SIZE])
{
	const char *what = reason_name(try->reason);
	size_t n = addr_format(&try->addr, buf), len;

	if (try->reason == REASON_NONE)
		what = addr_equal(&try->addr, &f->upstream) ? "ok" : "open";
	len = strlen(what);
	buf[n++] = separator;
	assert(len < TRY_SIZE - n);
	memcpy(buf + n, what, len + 1);
	return (n + len);
}

static void
put_tried(struct record *o, const struct audit_source *s)
{
	struct facts_try tried[FACTS_TRIED_MAX];
	size_t i, n = facts_tries(s->line->text, s->f->text_len, tried);
	char text[FACTS_TRIED_MAX * (TRY_SIZE + 1)];
	size_t len = 0;

	if (n == 0)
		return;
	if (o->is_json) {
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
	record_pair(o, "tried", text, len);
}

static void
put_word(struct record *o, const char *key, struct piece word)
{
	if (word.s != NULL)
		record_bytes(o, key, word.s, word.len);
}

/* A word that may have been cut, and then is told with its length. */
static void
put_cut_word(struct record *o, const char *key, const char *length_key,
    struct piece word, uint32_t full)
{
	put_word(o, key, word);
	if (word.s != NULL && full > word.len)
		record_uint(o, length_key, full);
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

/* How a tunnel ended, or what it has moved so far; bytes are only meant where
 * there was an upstream. */
static void
put_end(struct record *o, const struct audit_source *s)
{
	const struct tunnel_facts *f = s->f;

	if (s->line->event == AUDIT_CONNECT)
		return;
	if (f->upstream.family != 0) {
		record_uint(o, "bytes_from_client", f->bytes_from_client);
		record_uint(o, "bytes_from_upstream", f->bytes_from_upstream);
	}
	if (s->line->event == AUDIT_OPEN)
		return;
	record_string(o, "closed_first", side_name(f->closed_first));
	if (f->client_truncated)
		record_bool(o, "client_truncated", true);
}

static void
put_tunnel(struct record *o, const struct tunnel_facts *f)
{
	char id[FACTS_ID_SIZE];

	facts_format_id(f, id);
	record_string(o, "tunnel", id);
}

static void
put_times(struct record *o, const struct tunnel_facts *f)
{
	record_msec(o, "hello_ms", f->hello_ns);
	record_msec(o, "handshake_ms", f->handshake_ns);
	record_msec(o, "dns_ms", f->dns_ns);
	record_msec(o, "connect_ms", f->connect_ns);
}

static void
put_handshake(struct record *o, const struct audit_source *s)
{
	record_string(o, "tls_version", facts_tls_version(s->f->tls_version));
	put_word(o, "tls_cipher", s->words[FACTS_CIPHER]);
	if (s->f->resumed >= 0)
		record_bool(o, "resumed", s->f->resumed > 0);
	put_times(o, s->f);
}

/*
 * What both formats have, after who, whither and why: the order is that in
 * which fields are worth reading, and the reverse of that in which they are
 * given up where a line becomes too long.
 */
static void
put_fields(struct record *o, const struct audit_source *s)
{
	const struct facts_names *names = s->line->names;
	const struct tunnel_facts *f = s->f;

	record_string(o, "decision", decision_name(f->decision));
	record_string(o, "rule", facts_name(&names->rules, f->rule));
	if (f->would_deny != REASON_NONE)
		record_string(o, "would_deny", reason_name(f->would_deny));
	put_cut_word(o, "identity", "identity_length", s->words[FACTS_IDENTITY],
	    f->identity_len);
	put_word(o, "detail", s->words[FACTS_DETAIL]);
	put_end(o, s);
	record_msec(o, "total_ms", f->total_ns);
	put_tunnel(o, f);
	record_string(
	    o, "listener", facts_name(&names->listeners, f->listener));
	record_addr(o, "proxy", &f->proxy);
	record_addr(o, "egress", &f->egress);
	record_string(
	    o, "egress_line", facts_name(&names->egress_lines, f->egress_line));
	put_handshake(o, s);
	put_cut_word(o, "server_name", "server_name_length",
	    s->words[FACTS_SERVER_NAME], f->server_name_len);
	put_tried(o, s);
}

/* Parts of fields above, for programs that would rather not split. */
static void
put_parts(struct record *o, const struct audit_source *s)
{
	const struct tunnel_facts *f = s->f;
	char text[ADDR_TEXT_SIZE];

	record_uint(o, "worker", f->worker);
	record_uint(o, "generation", f->generation);
	if (f->client.family != 0) {
		addr_format_ip(&f->client, text);
		record_string(o, "client_address", text);
		record_uint(o, "client_port", f->client.port);
	}
	if (s->words[FACTS_HOST].s != NULL) {
		put_word(o, "host", s->words[FACTS_HOST]);
		record_uint(o, "port", f->port);
	}
}

static const char *
event_name(enum audit_event event)
{
	switch (event) {
	case AUDIT_CONNECT:
		return ("connect");
	case AUDIT_OPEN:
		return ("open");
	case AUDIT_END:
		break;
	}
	return ("end");
}

/* cut: facts have no room, or an attempt without this mark left out fields. */
static size_t
format_json(
    const struct audit_source *s, char *buf, size_t size, bool cut, bool *fits)
{
	struct record o;
	const struct tunnel_facts *f = s->f;
	char stamp[CLOCK_TEXT_SIZE], target[TARGET_TEXT_SIZE];

	record_init(&o, true, buf, size);
	clock_format(stamp, f->wall);
	record_string(&o, "time", stamp);
	record_string(&o, "event", event_name(s->line->event));
	if (f->reason != REASON_NONE)
		record_string(&o, "reason", reason_name(f->reason));
	record_addr(&o, "client", &f->client);
	if (s->words[FACTS_HOST].s != NULL)
		record_bytes(&o, "target", target,
		    facts_format_target(f, s->words[FACTS_HOST], target));
	record_addr(&o, "upstream", &f->upstream);
	if (cut)
		record_bool(&o, "cut", true);
	put_fields(&o, s);
	put_parts(&o, s);
	return (record_end(&o, fits));
}

/* "time reason client -> target via upstream", then pairs. */
static size_t
format_text(
    const struct audit_source *s, char *buf, size_t size, bool cut, bool *fits)
{
	struct record o;
	const struct tunnel_facts *f = s->f;
	char stamp[CLOCK_TEXT_SIZE], addr[ADDR_TEXT_SIZE] = "-";
	char target[TARGET_TEXT_SIZE] = "-";
	const char *what = event_name(s->line->event);
	size_t len = 1;

	record_init(&o, false, buf, size);
	clock_format(stamp, f->wall);
	if (s->line->event == AUDIT_END && f->reason != REASON_NONE)
		what = reason_name(f->reason);
	if (f->client.family != 0)
		addr_format(&f->client, addr);
	if (s->words[FACTS_HOST].s != NULL)
		len = facts_format_target(f, s->words[FACTS_HOST], target);
	record_escaped(&o, stamp, strlen(stamp));
	record_text(&o, " ", 1);
	record_escaped(&o, what, strlen(what));
	record_text(&o, " ", 1);
	record_escaped(&o, addr, strlen(addr));
	record_text(&o, " -> ", 4);
	record_escaped(&o, target, len);
	if (f->upstream.family != 0) {
		addr_format(&f->upstream, addr);
		record_text(&o, " via ", 5);
		record_escaped(&o, addr, strlen(addr));
	}
	if (cut)
		record_bool(&o, "cut", true);
	put_fields(&o, s);
	return (record_end(&o, fits));
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
	char line[SINK_LINE_MAX], stamp[CLOCK_TEXT_SIZE];
	struct record o;
	size_t len;
	bool fits;

	record_init(&o, format == AUDIT_JSON, line, sizeof(line));
	clock_format(stamp, clock_wall());
	if (format == AUDIT_JSON) {
		record_string(&o, "time", stamp);
		record_string(&o, "event", "dropped");
	} else {
		record_text(&o, stamp, strlen(stamp));
		record_text(&o, " dropped", 8);
	}
	record_uint(&o, "count", count);
	record_uint(&o, "worker", worker);
	record_uint(&o, "generation", generation);
	len = record_end(&o, &fits);
	line[len++] = '\n';
	return (sink_write(sink, LOG_WARNING, line, len));
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
