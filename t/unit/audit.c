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
#include "t/unit/tap.h"

#define CLIENT "198.51.100.4:40000"

static char line[SINK_LINE_MAX + 1];

static struct addr
address(const char *text)
{
	struct addr a;

	if (addr_parse(&a, text, strlen(text), 0) != 0)
		abort();
	return (a);
}

static struct target
target(const char *text)
{
	struct target t;

	if (target_parse(&t, text, strlen(text), 0) != REASON_NONE)
		abort();
	return (t);
}

/* What is known of a client that has just connected. */
static struct audit_record
fresh(void)
{
	return ((struct audit_record){
	    .event = AUDIT_END,
	    .tunnel = 1234567,
	    .worker = 3,
	    .generation = 2,
	    .start = INT64_C(1767323045678) * CLOCK_MSEC,
	    .client = address(CLIENT),
	    .listener = "0.0.0.0:8443",
	    .reason = REASON_CLIENT_HELLO_TIMEOUT,
	    .resumed = -1,
	    .hello_ns = -1,
	    .handshake_ns = -1,
	    .dns_ns = -1,
	    .connect_ns = -1,
	    .total_ns = 10 * CLOCK_SEC,
	});
}

static void
set_name(struct audit_record *r, const char *name)
{
	r->server_name = (const uint8_t *)name;
	r->server_name_len = strlen(name);
}

/* Formats and checks what holds for every line. */
static const char *
format(const struct audit_record *r, enum audit_syntax f)
{
	size_t i, bad = 0, len = audit_format(r, f, line, SINK_LINE_MAX);

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
	struct audit_record r = fresh();

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
whole(struct audit_record *r, const struct target *t,
    const struct audit_try tried[3])
{
	*r = fresh();
	r->reason = REASON_CLIENT_TRUNCATED;
	set_name(r, "DB.example.com:5432");
	r->target = t;
	r->rule = "billing";
	r->decision = "allow";
	r->detail = "some text";
	r->tried = tried;
	r->ntried = 3;
	r->upstream = tried[2].addr;
	r->egress = address("203.0.113.7:50000");
	r->tls_version = "TLSv1.3";
	r->tls_cipher = "TLS_AES_128_GCM_SHA256";
	r->resumed = 0;
	r->client_truncated = true;
	r->hello_ns = 1234567;
	r->handshake_ns = 0;
	r->dns_ns = 12 * CLOCK_MSEC;
	r->connect_ns = 999;
	r->bytes_from_client = 0;
	r->bytes_from_upstream = UINT64_MAX;
	r->closed_first = AUDIT_SIDE_CLIENT;
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
	const struct audit_try tried[] = {
		{ address("192.0.2.1:5432"), REASON_CONNECT_REFUSED },
		{ address("192.0.2.2:5432"), REASON_NONE },
		{ address("[2001:db8::3]:5432"), REASON_NONE },
	};
	struct target t = target("db.example.com:5432");
	struct audit_record r;

	whole(&r, &t, tried);
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
	r.reason = REASON_NONE;
	is_str(format(&r, AUDIT_JSON),
	    "{\"time\":\"2026-01-02T03:04:05.678Z\","
	    "\"event\":\"connect\"," WHOLE_JSON WHOLE_JSON_TAIL,
	    "JSON: a tunnel that goes on has no end");
	is_str(format(&r, AUDIT_TEXT),
	    "2026-01-02T03:04:05.678Z connect" WHOLE_TEXT WHOLE_TEXT_TAIL,
	    "text: a tunnel that goes on has no end");
	r.resumed = 1;
	ok(strstr(format(&r, AUDIT_JSON), "\"resumed\":true"), "resumed");
	r.event = AUDIT_END;
	r.closed_first = AUDIT_SIDE_UPSTREAM;
	ok(strstr(format(&r, AUDIT_JSON), "\"closed_first\":\"upstream\""),
	    "the upstream closed first");
}

/* Who a client is, by whom it came, and what would have become of it. */
static void
test_identity(void)
{
	struct audit_record r = fresh();
	char identity[2049];

	r.reason = REASON_DONE;
	r.decision = "report";
	r.rule = "web";
	r.would_deny = REASON_NO_RULE;
	r.identity = "spiffe://cluster.local/ns/a/sa/b";
	r.proxy = address("[2001:db8::9]:4711");
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
	r.identity = identity;
	ok(strstr(format(&r, AUDIT_JSON), "xy\",\"identity_length\":2048,"),
	    "JSON: a long identity is cut and its length told");
	ok(strstr(format(&r, AUDIT_TEXT), "xy identity_length=2048 "),
	    "text: so it is");
	memset(identity, 0xff, sizeof(identity) - 1);
	ok(strlen(format(&r, AUDIT_JSON)) < SINK_LINE_MAX, "bad bytes fit");
	r.identity = "a\",\"rule\":\"x b=c\n";
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
	struct audit_record r = fresh();

	set_name(&r, "a\",\"rule\":\"x\"}\r\n{\\ \x1b[2J=b\x80");
	ok(strstr(format(&r, AUDIT_JSON),
	       "\"server_name\":\"a\\\",\\\"rule\\\":\\\"x\\\"}"
	       "\\\\x0d\\\\x0a{\\\\x5c \\\\x1b[2J=b\\\\x80\""),
	    "JSON: quotes, line ends, escapes");
	set_name(&r, "a rule=x\treason=done\n\"\\");
	ok(strstr(format(&r, AUDIT_TEXT),
	       " server_name=a\\x20rule\\x3dx\\x09reason\\x3ddone\\x0a\\x22"
	       "\\x5c\n"),
	    "text: blanks, equal signs, line ends");
	r.server_name_len = 0;
	ok(strstr(format(&r, AUDIT_JSON), "\"server_name\":\"\""),
	    "JSON: an empty name is not none");
	ok(strstr(format(&r, AUDIT_TEXT), " server_name=\n"),
	    "text: an empty name is not none");
	r = fresh();
	r.rule = "a b=c";
	r.detail = "x\ny";
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
	struct audit_try tried[AUDIT_TRIED_MAX];
	struct audit_record r;
	struct target t;
	char text[TARGET_RAW_MAX + 1], name[HOSTNAME_SIZE], id[301] = "";
	uint8_t raw[5000];
	size_t i, whole_tries;
	int f;

	memset(raw, 0xff, sizeof(raw));
	memset(name, 'x', sizeof(name));
	for (i = 63; i < HOSTNAME_MAX; i += 64)
		name[i] = '.';
	snprintf(text, sizeof(text), "%.249s:65535", name);
	t = target(text);
	for (i = 0; i < AUDIT_TRIED_MAX; i++)
		tried[i] = (struct audit_try){ address(LONG_IP),
			REASON_CONNECT_UNREACHABLE };
	whole(&r, &t, tried);
	r.client = r.upstream = r.egress = r.proxy = address(LONG_IP);
	memset(id, 'x', sizeof(id) - 1);
	r.identity = id;
	r.would_deny = REASON_RULE_DENY;
	r.server_name = raw;
	r.server_name_len = TARGET_RAW_MAX;
	r.ntried = AUDIT_TRIED_MAX;
	r.reason = REASON_HANDSHAKE_TIMEOUT;
	for (f = AUDIT_JSON; f <= AUDIT_TEXT; f++) {
		format(&r, f);
		ok(strstr(line, "cut") == NULL, "all of it fits (%zu bytes)",
		    strlen(line));
		for (i = 0, whole_tries = 0; line[i] != '\0'; i++)
			whole_tries +=
			    strncmp(line + i, "connect_unreachable", 19) == 0;
		is_int(whole_tries, AUDIT_TRIED_MAX, "all that was tried");
	}
	r.server_name_len = sizeof(raw);
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
	struct audit_try tried[AUDIT_TRIED_MAX];
	char words[600];
	struct audit_record r;
	struct target t = target("db.example.com:5432");
	uint8_t raw[TARGET_RAW_MAX];
	size_t i;

	memset(raw, 0xff, sizeof(raw));
	memset(words, 0x80, sizeof(words));
	words[sizeof(words) - 1] = '\0';
	for (i = 0; i < AUDIT_TRIED_MAX; i++)
		tried[i] = (struct audit_try){ address(LONG_IP),
			REASON_CONNECT_UNREACHABLE };
	whole(&r, &t, tried);
	r.ntried = AUDIT_TRIED_MAX + 5; /* never read beyond the array */
	r.server_name = raw;
	r.server_name_len = sizeof(raw);
	r.rule = r.detail = r.listener = words;
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
	struct audit_record r = fresh();
	struct sink *s = NULL;
	int fd = mkstemp(path);
	ssize_t n;

	if (fd < 0 || sink_path(&s, path) != 0)
		return;
	is_int(audit_write(s, AUDIT_JSON, &r), 0, "written");
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
	is_int(audit_write(s, AUDIT_JSON, &r), -ENOSPC, "a line is lost");
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
