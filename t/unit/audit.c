/*
 * The audit line: each field from its fact, hostile bytes escaped, and nothing
 * that matters lost when it has to be cut.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/log/audit.h"
#include "common/log/sink.h"
#include "t/unit/sink_path.h"
#include "t/unit/addresses.h"
#include "t/unit/tap.h"

#define CLIENT "198.51.100.4:40000"

static char line[SINK_LINE_MAX + 1];

static struct target
target(const char *text)
{
	struct target t;

	if (target_parse(&t, text, strlen(text), 0) != REASON_NONE)
		abort();
	return (t);
}

/* Facts with their text, and the names of what they have numbers of. */
struct record {
	enum audit_event event;
	const char *rule, *listener, *line;
	struct tunnel_facts f;
	uint8_t text[FACTS_TEXT_MAX];
};

static void
put(struct record *r, enum facts_word word, const void *bytes, size_t len)
{
	if (facts_put(&r->f, r->text, sizeof(r->text), word, bytes, len) != 0)
		abort();
}

static void
put_text(struct record *r, enum facts_word word, const char *s)
{
	put(r, word, s, strlen(s));
}

static void
put_target(struct record *r, const char *text)
{
	struct target t = target(text);

	put(r, FACTS_HOST, t.host, t.host_len);
	r->f.port = t.port;
}

static void
put_tried(struct record *r, const struct facts_try *tried, size_t n)
{
	uint8_t word[FACTS_TRY_SIZE];
	size_t i;

	for (i = 0; i < n; i++) {
		facts_try_pack(word, &tried[i]);
		put(r, FACTS_TRIED, word, sizeof(word));
	}
}

/* What is known of a client that has just connected. */
static struct record
fresh(void)
{
	struct record r = { .event = AUDIT_END, .listener = "0.0.0.0:8443" };

	facts_init(&r.f);
	r.f.number = 1234567;
	r.f.worker = 3;
	r.f.generation = 2;
	r.f.wall = INT64_C(1767323045678) * CLOCK_MSEC;
	r.f.client = address_of(CLIENT, 0);
	r.f.listener = r.f.rule = r.f.egress_line = 0;
	r.f.reason = REASON_CLIENT_HELLO_TIMEOUT;
	r.f.total_ns = 10 * CLOCK_SEC;
	return (r);
}

static struct facts_table
row(const char **name)
{
	return ((struct facts_table){ name, *name != NULL, sizeof(*name) });
}

/* Formats and checks what holds for every line. */
static const char *
format(struct record *r, enum audit_syntax f)
{
	const struct facts_names names = { row(&r->rule), row(&r->line),
		row(&r->listener) };
	const struct audit_line l = { r->event, &r->f, r->text, &names };
	size_t i, bad = 0, len = audit_format(&l, f, line, SINK_LINE_MAX);

	line[len] = '\0';
	for (i = 0; i + 1 < len; i++)
		bad += line[i] < 0x20 || line[i] > 0x7e;
	if (len == 0 || line[len - 1] != '\n' || bad != 0)
		ok(false, "one line of printable ASCII");
	return (line);
}

static void
test_fresh(void)
{
	struct record r = fresh();

	is_str(format(&r, AUDIT_JSON),
	    "{\"time\":\"2026-01-02T03:04:05.678Z\",\"event\":\"end\","
	    "\"reason\":\"client_hello_timeout\","
	    "\"client\":\"198.51.100.4:40000\",\"closed_first\":\"sniport\","
	    "\"total_ms\":10000.000,\"tunnel\":\"2-3-1234567\","
	    "\"listener\":\"0.0.0.0:8443\",\"worker\":3,\"generation\":2,"
	    "\"client_address\":\"198.51.100.4\",\"client_port\":40000}\n",
	    "JSON: what is not known is left out");
	is_str(format(&r, AUDIT_TEXT),
	    "2026-01-02T03:04:05.678Z client_hello_timeout "
	    "198.51.100.4:40000 -> - closed_first=sniport total_ms=10000.000 "
	    "tunnel=2-3-1234567 listener=0.0.0.0:8443\n",
	    "text: what is not known is left out");
}

/* A tunnel of which everything is known. */
static void
whole(struct record *r, const char *target, const struct facts_try *tried,
    size_t n)
{
	*r = fresh();
	r->rule = "billing";
	r->f.reason = REASON_CLIENT_TRUNCATED;
	put_text(r, FACTS_SERVER_NAME, "DB.example.com:5432");
	put_target(r, target);
	r->f.decision = FACTS_ALLOW;
	put_text(r, FACTS_DETAIL, "some text");
	put_tried(r, tried, n);
	r->f.upstream = tried[2].addr;
	r->f.egress = address_of("203.0.113.7:50000", 0);
	r->f.tls_version = 0x0304;
	put_text(r, FACTS_CIPHER, "TLS_AES_128_GCM_SHA256");
	r->f.resumed = 0;
	r->f.client_truncated = true;
	r->f.hello_ns = 1234567;
	r->f.handshake_ns = 0;
	r->f.dns_ns = 12 * CLOCK_MSEC;
	r->f.connect_ns = 999;
	r->f.bytes_from_client = 0;
	r->f.bytes_from_upstream = UINT64_MAX;
	r->f.closed_first = FACTS_SIDE_CLIENT;
}

#define WHOLE_JSON                                     \
	"\"client\":\"198.51.100.4:40000\","           \
	"\"target\":\"db.example.com:5432\","          \
	"\"upstream\":\"[2001:db8::3]:5432\","         \
	"\"decision\":\"allow\",\"rule\":\"billing\"," \
	"\"detail\":\"some text\","
#define WHOLE_JSON_END                                  \
	"\"bytes_from_client\":0,"                      \
	"\"bytes_from_upstream\":18446744073709551615," \
	"\"closed_first\":\"client\",\"client_truncated\":true,"
#define WHOLE_JSON_TAIL                                                      \
	"\"total_ms\":10000.000,\"tunnel\":\"2-3-1234567\","                 \
	"\"listener\":\"0.0.0.0:8443\",\"egress\":\"203.0.113.7:50000\","    \
	"\"tls_version\":\"TLSv1.3\","                                       \
	"\"tls_cipher\":\"TLS_AES_128_GCM_SHA256\",\"resumed\":false,"       \
	"\"hello_ms\":1.234,\"handshake_ms\":0.000,\"dns_ms\":12.000,"       \
	"\"connect_ms\":0.000,\"server_name\":\"DB.example.com:5432\","      \
	"\"tried\":[\"192.0.2.1:5432 connect_refused\","                     \
	"\"192.0.2.2:5432 open\",\"[2001:db8::3]:5432 ok\"],"                \
	"\"worker\":3,\"generation\":2,\"client_address\":\"198.51.100.4\"," \
	"\"client_port\":40000,\"host\":\"db.example.com\",\"port\":5432}\n"
#define WHOLE_TEXT                                        \
	" 198.51.100.4:40000 -> db.example.com:5432 via " \
	"[2001:db8::3]:5432 decision=allow rule=billing " \
	"detail=some\\x20text "
#define WHOLE_TEXT_TAIL                                                  \
	"total_ms=10000.000 tunnel=2-3-1234567 "                         \
	"listener=0.0.0.0:8443 egress=203.0.113.7:50000 "                \
	"tls_version=TLSv1.3 tls_cipher=TLS_AES_128_GCM_SHA256 "         \
	"resumed=false hello_ms=1.234 handshake_ms=0.000 dns_ms=12.000 " \
	"connect_ms=0.000 server_name=DB.example.com:5432 "              \
	"tried=192.0.2.1:5432/connect_refused,192.0.2.2:5432/open,"      \
	"[2001:db8::3]:5432/ok\n"

static void
test_whole(void)
{
	const struct facts_try tried[] = {
		{ address_of("192.0.2.1:5432", 0), REASON_CONNECT_REFUSED },
		{ address_of("192.0.2.2:5432", 0), REASON_NONE },
		{ address_of("[2001:db8::3]:5432", 0), REASON_NONE },
	};
	struct record r;

	whole(&r, "db.example.com:5432", tried, 3);
	is_str(format(&r, AUDIT_JSON),
	    "{\"time\":\"2026-01-02T03:04:05.678Z\",\"event\":\"end\","
	    "\"reason\":\"client_truncated\"," WHOLE_JSON WHOLE_JSON_END
		WHOLE_JSON_TAIL,
	    "JSON: all that is known");
	is_str(format(&r, AUDIT_TEXT),
	    "2026-01-02T03:04:05.678Z client_truncated" WHOLE_TEXT
	    "bytes_from_client=0 bytes_from_upstream=18446744073709551615 "
	    "closed_first=client client_truncated=true " WHOLE_TEXT_TAIL,
	    "text: all that is known");
	r.event = AUDIT_CONNECT;
	r.f.reason = REASON_NONE;
	is_str(format(&r, AUDIT_JSON),
	    "{\"time\":\"2026-01-02T03:04:05.678Z\","
	    "\"event\":\"connect\"," WHOLE_JSON WHOLE_JSON_TAIL,
	    "JSON: a tunnel that goes on has no end");
	is_str(format(&r, AUDIT_TEXT),
	    "2026-01-02T03:04:05.678Z connect" WHOLE_TEXT WHOLE_TEXT_TAIL,
	    "text: a tunnel that goes on has no end");
	r.f.resumed = 1;
	ok(strstr(format(&r, AUDIT_JSON), "\"resumed\":true"), "resumed");
	r.event = AUDIT_END;
	r.f.closed_first = FACTS_SIDE_UPSTREAM;
	ok(strstr(format(&r, AUDIT_JSON), "\"closed_first\":\"upstream\""),
	    "the upstream closed first");
}

/* Who a client is, by whom it came, and what would have become of it. */
static void
test_identity(void)
{
	struct record r = fresh();
	char identity[2049];

	r.f.reason = REASON_DONE;
	r.f.decision = FACTS_REPORT;
	r.rule = "web";
	r.f.would_deny = REASON_NO_RULE;
	put_text(&r, FACTS_IDENTITY, "spiffe://cluster.local/ns/a/sa/b");
	r.f.proxy = address_of("[2001:db8::9]:4711", 0);
	r.line = "line-a";
	format(&r, AUDIT_JSON);
	ok(strstr(line, "\"decision\":\"report\",\"rule\":\"web\","
			"\"would_deny\":\"no_rule\","
			"\"identity\":\"spiffe://cluster.local/ns/a/sa/b\","),
	    "JSON: identity, and what would have been denied");
	ok(strstr(line, "\"listener\":\"0.0.0.0:8443\","
			"\"proxy\":\"[2001:db8::9]:4711\","
			"\"egress_line\":\"line-a\","),
	    "JSON: proxy and egress line");
	format(&r, AUDIT_TEXT);
	ok(strstr(line, " decision=report rule=web would_deny=no_rule "
			"identity=spiffe://cluster.local/ns/a/sa/b "),
	    "text: identity, and what would have been denied");
	ok(strstr(line, " proxy=[2001:db8::9]:4711 egress_line=line-a\n"),
	    "text: proxy and egress line");
	memset(identity, 'x', sizeof(identity) - 1);
	identity[sizeof(identity) - 1] = '\0';
	identity[255] = 'y';
	identity[256] = 'z';
	put_text(&r, FACTS_IDENTITY, identity);
	ok(strstr(format(&r, AUDIT_JSON), "xy\",\"identity_length\":2048,"),
	    "JSON: a long identity is cut and its length told");
	ok(strstr(format(&r, AUDIT_TEXT), "xy identity_length=2048 "),
	    "text: so it is");
	memset(identity, 0xff, sizeof(identity) - 1);
	put_text(&r, FACTS_IDENTITY, identity);
	ok(strlen(format(&r, AUDIT_JSON)) < SINK_LINE_MAX, "bad bytes fit");
	put_text(&r, FACTS_IDENTITY, "a\",\"rule\":\"x b=c\n");
	ok(strstr(format(&r, AUDIT_JSON),
	       "\"identity\":\"a\\\",\\\"rule\\\":\\\"x b=c\\\\x0a\","),
	    "JSON: an identity forges nothing");
	ok(strstr(format(&r, AUDIT_TEXT),
	       " identity=a\\x22,\\x22rule\\x22:\\x22x\\x20b\\x3dc\\x0a "),
	    "text: an identity forges nothing");
}

/* No bytes of a peer can look like another field or another line. */
static void
test_forgery(void)
{
	struct record r = fresh();

	put_text(
	    &r, FACTS_SERVER_NAME, "a\",\"rule\":\"x\"}\r\n{\\ \x1b[2J=b\x80");
	ok(strstr(format(&r, AUDIT_JSON),
	       "\"server_name\":\"a\\\",\\\"rule\\\":\\\"x\\\"}"
	       "\\\\x0d\\\\x0a{\\\\x5c \\\\x1b[2J=b\\\\x80\""),
	    "JSON: quotes, line ends, escapes");
	put_text(&r, FACTS_SERVER_NAME, "a rule=x\treason=done\n\"\\");
	ok(strstr(format(&r, AUDIT_TEXT),
	       " server_name=a\\x20rule\\x3dx\\x09reason\\x3ddone\\x0a\\x22"
	       "\\x5c\n"),
	    "text: blanks, equal signs, line ends");
	put(&r, FACTS_SERVER_NAME, "", 0);
	ok(strstr(format(&r, AUDIT_JSON), "\"server_name\":\"\""),
	    "JSON: an empty name is not none");
	ok(strstr(format(&r, AUDIT_TEXT), " server_name=\n"),
	    "text: an empty name is not none");
	r = fresh();
	r.rule = "a b=c";
	put_text(&r, FACTS_DETAIL, "x\ny");
	ok(strstr(format(&r, AUDIT_TEXT), " rule=a\\x20b\\x3dc "),
	    "text: an operator's blanks");
	ok(strstr(line, " detail=x\\x0ay "), "text: an error text's lines");
	ok(strstr(format(&r, AUDIT_JSON), "\"detail\":\"x\\\\x0ay\""),
	    "JSON: an error text's lines");
}

#define LONG_IP "[2001:db8:1111:2222:3333:4444:5555:6666]:65535"

/* The longest of everything that peers can cause still fits. */
static void
test_longest(void)
{
	struct facts_try tried[FACTS_TRIED_MAX];
	struct record r;
	char text[TARGET_RAW_MAX + 1], name[HOSTNAME_SIZE], id[301] = "";
	uint8_t raw[5000];
	size_t i, whole_tries;
	int f;

	memset(raw, 0xff, sizeof(raw));
	memset(name, 'x', sizeof(name));
	for (i = 63; i < HOSTNAME_MAX; i += 64)
		name[i] = '.';
	snprintf(text, sizeof(text), "%.249s:65535", name);
	for (i = 0; i < FACTS_TRIED_MAX; i++)
		tried[i] = (struct facts_try){ address_of(LONG_IP, 0),
			REASON_CONNECT_UNREACHABLE };
	whole(&r, text, tried, FACTS_TRIED_MAX);
	r.f.client = r.f.upstream = r.f.egress = r.f.proxy =
	    address_of(LONG_IP, 0);
	memset(id, 'x', sizeof(id) - 1);
	put_text(&r, FACTS_IDENTITY, id);
	r.f.would_deny = REASON_RULE_DENY;
	put(&r, FACTS_SERVER_NAME, raw, TARGET_RAW_MAX);
	r.f.reason = REASON_HANDSHAKE_TIMEOUT;
	for (f = AUDIT_JSON; f <= AUDIT_TEXT; f++) {
		format(&r, f);
		ok(strstr(line, "cut") == NULL, "all of it fits (%zu bytes)",
		    strlen(line));
		for (i = 0, whole_tries = 0; line[i] != '\0'; i++)
			whole_tries +=
			    strncmp(line + i, "connect_unreachable", 19) == 0;
		is_int(whole_tries, FACTS_TRIED_MAX, "all that was tried");
	}
	put(&r, FACTS_SERVER_NAME, raw, sizeof(raw));
	ok(strstr(format(&r, AUDIT_JSON), "\"server_name_length\":5000"),
	    "a longer name is cut and its length told");
	ok(strstr(line, "\"server_name\":\"\\\\xff") != NULL,
	    "what is left of it is there");
	ok(strstr(format(&r, AUDIT_TEXT), " server_name_length=5000 "),
	    "in both formats");
}

/* Beyond that, what matters least goes, and the line says so. */
static void
test_cut(void)
{
	struct facts_try tried[FACTS_TRIED_MAX + 5];
	char words[600];
	struct record r;
	uint8_t raw[TARGET_RAW_MAX];
	size_t i;

	memset(raw, 0xff, sizeof(raw));
	memset(words, 0x80, sizeof(words));
	words[sizeof(words) - 1] = '\0';
	for (i = 0; i < FACTS_TRIED_MAX + 5; i++)
		tried[i] = (struct facts_try){ address_of(LONG_IP, 0),
			REASON_CONNECT_UNREACHABLE };
	whole(&r, "db.example.com:5432", tried, FACTS_TRIED_MAX + 5);
	put(&r, FACTS_SERVER_NAME, raw, sizeof(raw));
	put_text(&r, FACTS_DETAIL, words);
	r.rule = r.listener = words;
	format(&r, AUDIT_JSON);
	ok(strstr(line, "\"cut\":true") != NULL, "JSON: cut");
	ok(strstr(line, "\"tunnel\":\"2-3-1234567\"") != NULL &&
		strstr(line, "]}\n") == NULL && strstr(line, "}\n") != NULL,
	    "JSON: well-formed, and what matters is there");
	format(&r, AUDIT_TEXT);
	ok(strstr(line, " cut=true ") != NULL &&
		strstr(line, " tunnel=2-3-1234567 ") != NULL,
	    "text: cut, and what matters is there");
}

static void
test_write(void)
{
	char path[] = "/tmp/audit-XXXXXX", buf[SINK_LINE_MAX];
	struct record r = fresh();
	const struct facts_names names = { row(&r.rule), row(&r.line),
		row(&r.listener) };
	const struct audit_line l = { r.event, &r.f, r.text, &names };
	struct sink *s = NULL;
	int fd = mkstemp(path);
	ssize_t n;

	if (fd < 0 || sink_path(&s, path) != 0)
		return;
	is_int(audit_write(s, AUDIT_JSON, &l), 0, "written");
	format(&r, AUDIT_JSON);
	n = read(fd, buf, sizeof(buf) - 1);
	buf[n < 0 ? 0 : n] = '\0';
	is_str(buf, line, "as formatted");
	is_int(audit_write_dropped(s, AUDIT_JSON, 3, 2, 17), 0, "dropped");
	n = read(fd, buf, sizeof(buf) - 1);
	buf[n < 0 ? 0 : n] = '\0';
	ok(strncmp(buf, "{\"time\":\"2", 10) == 0, "it has a time");
	is_str(buf + strlen("{\"time\":\"") + CLOCK_TEXT_SIZE - 1,
	    "\",\"event\":\"dropped\",\"count\":17,\"worker\":3,"
	    "\"generation\":2}\n",
	    "JSON: lines dropped");
	audit_write_dropped(s, AUDIT_TEXT, 3, 2, 17);
	n = read(fd, buf, sizeof(buf) - 1);
	buf[n < 0 ? 0 : n] = '\0';
	is_str(buf + CLOCK_TEXT_SIZE - 1,
	    " dropped count=17 worker=3 generation=2\n", "text: lines dropped");
	sink_close(s);
	close(fd);
	unlink(path);
	if (sink_path(&s, "/dev/full") != 0)
		return;
	is_int(audit_write(s, AUDIT_JSON, &l), -ENOSPC, "a line is lost");
	sink_close(s);
}

int
main(void)
{
	test_fresh();
	test_whole();
	test_identity();
	test_forgery();
	test_longest();
	test_cut();
	test_write();
	return (done_testing());
}
