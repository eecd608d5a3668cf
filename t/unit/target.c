/*
 * The grammar of server names: good and bad targets, every byte, every length.
 */
#include "common/net/target.h"

#include <netinet/in.h>

#include "t/unit/tap.h"

#define LEN(array) (sizeof(array) / sizeof((array)[0]))

struct good {
	const char *raw;
	const char *want; /* target_format() */
	uint16_t default_port;
	int family;
};

static const struct good goods[] = {
	{ "example.com:9443", "example.com:9443", 0, 0 },
	{ "example.com:1", "example.com:1", 0, 0 },
	{ "example.com:65535", "example.com:65535", 0, 0 },
	{ "EXAMPLE.com:9443", "example.com:9443", 0, 0 },
	{ "example.com.:9443", "example.com:9443", 0, 0 },
	{ "EXAMPLE.com.:9443", "example.com:9443", 443, 0 },
	{ "_srv._udp.example.com:53", "_srv._udp.example.com:53", 0, 0 },
	{ "a_b.example.com:80", "a_b.example.com:80", 0, 0 },
	{ "xn--mnchen-3ya.de:443", "xn--mnchen-3ya.de:443", 0, 0 },
	{ "1.2.3.4.example.com:80", "1.2.3.4.example.com:80", 0, 0 },
	{ "localhost:80", "localhost:80", 0, 0 },
	{ "intranet:443", "intranet:443", 0, 0 },
	/* the listener's default port */
	{ "example.com", "example.com:443", 443, 0 },
	{ "Example.COM.", "example.com:8443", 8443, 0 },
	{ "198.51.100.7", "198.51.100.7:443", 443, AF_INET },
	{ "[2001:db8::1]", "[2001:db8::1]:443", 443, AF_INET6 },
	{ "_srv._tcp.example.com", "_srv._tcp.example.com:443", 443, 0 },
	{ "_tcp.example.com", "_tcp.example.com:443", 443, 0 },
	{ "_.example.com", "_.example.com:443", 443, 0 },
	{ "_._tcp.example.com", "_._tcp.example.com:443", 443, 0 },
	{ "_80_._tcp.example.com", "_80_._tcp.example.com:443", 443, 0 },
	{ "_80._udp.example.com", "_80._udp.example.com:443", 443, 0 },
	{ "_80._tcpx.example.com", "_80._tcpx.example.com:443", 443, 0 },
	{ "a._80._tcp.example.com", "a._80._tcp.example.com:443", 443, 0 },
	{ "_tcp", "_tcp:443", 443, 0 },
	/* the form without a colon */
	{ "_9443._tcp.example.com", "example.com:9443", 0, 0 },
	{ "_9443._tcp.example.com", "example.com:9443", 443, 0 },
	{ "_9443._TCP.Example.com.", "example.com:9443", 0, 0 },
	{ "_65535._tcp.a", "a:65535", 0, 0 },
	{ "_1._tcp._2._tcp.example.com", "_2._tcp.example.com:1", 0, 0 },
	{ "_9443._tcp.example.com:80", "_9443._tcp.example.com:80", 0, 0 },
	{ "_09443._tcp.example.com:80", "_09443._tcp.example.com:80", 0, 0 },
	/* addresses */
	{ "198.51.100.7:80", "198.51.100.7:80", 0, AF_INET },
	{ "127.0.0.1:22", "127.0.0.1:22", 0, AF_INET },
	{ "169.254.169.254:80", "169.254.169.254:80", 0, AF_INET },
	{ "0.0.0.0:80", "0.0.0.0:80", 0, AF_INET },
	{ "[2001:db8::1]:443", "[2001:db8::1]:443", 0, AF_INET6 },
	{ "[2001:DB8:0::1]:443", "[2001:db8::1]:443", 0, AF_INET6 },
	{ "[2001:0db8:0:0:0:0:0:1]:443", "[2001:db8::1]:443", 0, AF_INET6 },
	{ "[::1]:443", "[::1]:443", 0, AF_INET6 },
	{ "[::]:443", "[::]:443", 0, AF_INET6 },
	{ "[::ffff:127.0.0.1]:443", "127.0.0.1:443", 0, AF_INET },
	{ "[::ffff:7f00:1]:443", "127.0.0.1:443", 0, AF_INET },
	{ "[64:ff9b::7f00:1]:443", "[64:ff9b::7f00:1]:443", 0, AF_INET6 },
};

struct bad {
	const char *raw;
	enum reason want;
	uint16_t default_port;
};

static const struct bad bads[] = {
	{ "example.com", REASON_SNI_NO_PORT, 0 },
	{ "198.51.100.7", REASON_SNI_NO_PORT, 0 },
	{ "[::1]", REASON_SNI_NO_PORT, 0 },
	{ "_srv._tcp.example.com", REASON_SNI_NO_PORT, 0 },
	{ "_tcp.example.com", REASON_SNI_NO_PORT, 0 },
	{ "_tcp", REASON_SNI_NO_PORT, 0 },
	/* ports */
	{ "example.com:", REASON_SNI_BAD_PORT, 443 },
	{ "example.com:0", REASON_SNI_BAD_PORT, 443 },
	{ "example.com:65536", REASON_SNI_BAD_PORT, 443 },
	{ "example.com:99999999999999999999", REASON_SNI_BAD_PORT, 443 },
	{ "example.com:4294967739", REASON_SNI_BAD_PORT, 443 },
	{ "example.com:00443", REASON_SNI_BAD_PORT, 443 },
	{ "example.com:+443", REASON_SNI_BAD_PORT, 443 },
	{ "example.com:-1", REASON_SNI_BAD_PORT, 443 },
	{ "example.com: 443", REASON_SNI_BAD_PORT, 443 },
	{ "example.com:443 ", REASON_SNI_BAD_PORT, 443 },
	{ "example.com:443\n", REASON_SNI_BAD_PORT, 443 },
	{ "example.com:0x1bb", REASON_SNI_BAD_PORT, 443 },
	{ "example.com:4e2", REASON_SNI_BAD_PORT, 443 },
	{ "example.com:https", REASON_SNI_BAD_PORT, 443 },
	{ "example.com:443.", REASON_SNI_BAD_PORT, 443 },
	{ "example.com:\xef\xbc\x94\xef\xbc\x94", REASON_SNI_BAD_PORT, 443 },
	{ "198.51.100.7:", REASON_SNI_BAD_PORT, 443 },
	{ "[::1]:", REASON_SNI_BAD_PORT, 443 },
	{ "[::1]:0", REASON_SNI_BAD_PORT, 443 },
	{ "_0._tcp.example.com", REASON_SNI_BAD_PORT, 443 },
	{ "_09443._tcp.example.com", REASON_SNI_BAD_PORT, 443 },
	{ "_65536._tcp.example.com", REASON_SNI_BAD_PORT, 443 },
	{ "_99999999999999999999._tcp.example.com", REASON_SNI_BAD_PORT, 0 },
	/* no host */
	{ "", REASON_SNI_NO_HOST, 443 },
	{ ":", REASON_SNI_NO_HOST, 443 },
	{ ":443", REASON_SNI_NO_HOST, 443 },
	{ ":+443", REASON_SNI_NO_HOST, 443 },
	{ "_9443._tcp", REASON_SNI_NO_HOST, 443 },
	{ "_9443._tcp.", REASON_SNI_NO_HOST, 443 },
	/* colons */
	{ "example.com:443:443", REASON_SNI_BAD_HOST, 443 },
	{ "example.com:443:", REASON_SNI_BAD_HOST, 443 },
	{ "2001:db8::1:443", REASON_SNI_BAD_HOST, 443 },
	{ "2001:db8::1", REASON_SNI_BAD_HOST, 443 },
	{ "::1:443", REASON_SNI_BAD_HOST, 443 },
	{ "::1", REASON_SNI_BAD_HOST, 443 },
	{ "::", REASON_SNI_BAD_HOST, 443 },
	{ "::ffff:1.2.3.4", REASON_SNI_BAD_HOST, 443 },
	/* dots, hyphens */
	{ "example.com..:443", REASON_SNI_BAD_HOST, 443 },
	{ "a..b:443", REASON_SNI_BAD_HOST, 443 },
	{ ".example.com:443", REASON_SNI_BAD_HOST, 443 },
	{ ".:443", REASON_SNI_BAD_HOST, 443 },
	{ ".", REASON_SNI_BAD_HOST, 443 },
	{ "-a.example.com:443", REASON_SNI_BAD_HOST, 443 },
	{ "a-.example.com:443", REASON_SNI_BAD_HOST, 443 },
	{ "xn--.de:443", REASON_SNI_BAD_HOST, 443 },
	{ "_9443._tcp..", REASON_SNI_BAD_HOST, 443 },
	{ "_9443._tcp.a..b", REASON_SNI_BAD_HOST, 443 },
	/* other bytes */
	{ "m\xc3\xbcnchen.de:443", REASON_SNI_BAD_HOST, 443 },
	{ "\xff\xfe:443", REASON_SNI_BAD_HOST, 443 },
	{ "example.com\r\n:443", REASON_SNI_BAD_HOST, 443 },
	{ "exam\tple.com:443", REASON_SNI_BAD_HOST, 443 },
	{ "\x1b[31m.com:443", REASON_SNI_BAD_HOST, 443 },
	{ "example\x7f.com:443", REASON_SNI_BAD_HOST, 443 },
	{ " example.com:443", REASON_SNI_BAD_HOST, 443 },
	{ "example.com :443", REASON_SNI_BAD_HOST, 443 },
	{ "exam ple.com:443", REASON_SNI_BAD_HOST, 443 },
	{ "example.com ", REASON_SNI_BAD_HOST, 443 },
	{ "example\xe3\x80\x82"
	  "com:443",
	    REASON_SNI_BAD_HOST, 443 },
	{ "%65xample.com:443", REASON_SNI_BAD_HOST, 443 },
	{ "*.example.com:443", REASON_SNI_BAD_HOST, 443 },
	{ "user@example.com:443", REASON_SNI_BAD_HOST, 443 },
	{ "user:pw@example.com:443", REASON_SNI_BAD_HOST, 443 },
	{ "http://example.com:443", REASON_SNI_BAD_HOST, 443 },
	{ "example.com/x:443", REASON_SNI_BAD_HOST, 443 },
	{ "a;b:443", REASON_SNI_BAD_HOST, 443 },
	/* almost addresses */
	{ "127.1:80", REASON_SNI_BAD_HOST, 443 },
	{ "0:80", REASON_SNI_BAD_HOST, 443 },
	{ "1.2.3:80", REASON_SNI_BAD_HOST, 443 },
	{ "1.2.3.256:80", REASON_SNI_BAD_HOST, 443 },
	{ "2130706433:80", REASON_SNI_BAD_HOST, 443 },
	{ "017700000001:80", REASON_SNI_BAD_HOST, 443 },
	{ "0177.0.0.1:80", REASON_SNI_BAD_HOST, 443 },
	{ "0x7f.1:80", REASON_SNI_BAD_HOST, 443 },
	{ "0x7f000001:80", REASON_SNI_BAD_HOST, 443 },
	{ "1.2.3.4.:80", REASON_SNI_BAD_HOST, 443 },
	{ "1.2.3.4.", REASON_SNI_BAD_HOST, 443 },
	{ "1.2.3.4.5:80", REASON_SNI_BAD_HOST, 443 },
	{ "01.2.3.4:80", REASON_SNI_BAD_HOST, 443 },
	{ "_9443._tcp.1.2.3.4", REASON_SNI_BAD_HOST, 443 },
	{ "_9443._tcp.127.1", REASON_SNI_BAD_HOST, 443 },
	{ "_9443._tcp.[::1]", REASON_SNI_BAD_HOST, 443 },
	{ "[fe80::1%eth0]:443", REASON_SNI_BAD_HOST, 443 },
	{ "[fe80::1%eth0]", REASON_SNI_BAD_HOST, 443 },
	{ "fe80::1%eth0", REASON_SNI_BAD_HOST, 443 },
	{ "[example.com]:443", REASON_SNI_BAD_HOST, 443 },
	{ "[1.2.3.4]:443", REASON_SNI_BAD_HOST, 443 },
	{ "[1.2.3.4]", REASON_SNI_BAD_HOST, 443 },
	{ "[]:443", REASON_SNI_BAD_HOST, 443 },
	{ "[]", REASON_SNI_BAD_HOST, 443 },
	{ "[", REASON_SNI_BAD_HOST, 443 },
	{ "]", REASON_SNI_BAD_HOST, 443 },
	{ "[::1:443", REASON_SNI_BAD_HOST, 443 },
	{ "::1]:443", REASON_SNI_BAD_HOST, 443 },
	{ "[[::1]]:443", REASON_SNI_BAD_HOST, 443 },
	{ "[[::1]]", REASON_SNI_BAD_HOST, 443 },
	{ "[::1]443", REASON_SNI_BAD_HOST, 443 },
	{ "[::1].:443", REASON_SNI_BAD_HOST, 443 },
	{ "[::1]:443]", REASON_SNI_BAD_HOST, 443 },
	{ "[:::]:443", REASON_SNI_BAD_HOST, 443 },
};

/* For the description of a test, which is one line. */
static const char *
printable(char buf[64], const char *raw)
{
	size_t i;

	for (i = 0; i < 63 && raw[i] != '\0'; i++)
		buf[i] = raw[i] >= ' ' && raw[i] < 0x7f ? raw[i] : '?';
	buf[i] = '\0';
	return (buf);
}

static void
test_good(const struct good *g)
{
	char text[TARGET_TEXT_SIZE];
	struct target t, again;
	enum reason reason;
	size_t len;

	reason = target_parse(&t, g->raw, strlen(g->raw), g->default_port);
	if (!ok(reason == REASON_NONE, "'%s', default port %u: %s", g->raw,
		g->default_port, reason_name(reason)))
		return;
	len = target_format(&t, text);
	is_int(len, strlen(text), "  length of its text");
	is_str(text, g->want, "  its canonical form");
	is_int(t.addr.family, g->family, "  name or address");
	is_int(t.host_len, strlen(t.host), "  length of the host");
	is_int(t.addr.port, g->family != 0 ? t.port : 0,
	    "  an address bears the port");
	ok(strpbrk(t.host, "[]") == NULL, "  the host has no brackets");
	reason = target_parse(&again, text, len, 0);
	is_int(reason, REASON_NONE, "  its text parses");
	ok(memcmp(&t, &again, sizeof(t)) == 0, "  to the same target");
}

static void
test_bad(const char *raw, size_t len, uint16_t default_port, enum reason want)
{
	struct target t, before;
	enum reason reason;
	char shown[64];

	memset(&t, 0xee, sizeof(t));
	memset(&before, 0xee, sizeof(before));
	reason = target_parse(&t, raw, len, default_port);
	ok(reason == want, "'%s', default port %u: %s, got %s",
	    printable(shown, raw), default_port, reason_name(want),
	    reason_name(reason));
	if (memcmp(&t, &before, sizeof(t)) != 0)
		ok(false, "  the target is left alone");
}

static void
test_nul(void)
{
	test_bad("example.com\0:443", 16, 443, REASON_SNI_BAD_HOST);
	test_bad("example.com\0.evil.test:443", 26, 443, REASON_SNI_BAD_HOST);
	test_bad("example.com\0", 12, 443, REASON_SNI_BAD_HOST);
	test_bad("example.com:443\0", 16, 443, REASON_SNI_BAD_PORT);
	test_bad("example.com:4\0003", 15, 443, REASON_SNI_BAD_PORT);
	test_bad("\0", 1, 443, REASON_SNI_BAD_HOST);
	test_bad("[::1\0]:443", 10, 443, REASON_SNI_BAD_HOST);
	test_bad("1.2.3.4\0:80", 11, 443, REASON_SNI_BAD_HOST);
}

/* A name of len bytes out of labels of 63, and what is appended to it. */
static size_t
long_name(char *buf, size_t len, const char *rest)
{
	size_t i;

	for (i = 0; i < len; i++)
		buf[i] = i % 64 == 63 ? '.' : 'a';
	strcpy(buf + len, rest);
	return (len + strlen(rest));
}

static void
test_lengths(void)
{
	char raw[400], text[TARGET_TEXT_SIZE];
	struct target t;
	size_t len;

	len = long_name(raw, 253, ":1");
	is_int(len, 255, "253 bytes and a port of one digit make 255 bytes");
	is_int(target_parse(&t, raw, len, 0), REASON_NONE, "  which are good");
	is_int(target_format(&t, text), 255, "  and have a text");
	len = long_name(raw, 251, ":443");
	is_int(target_parse(&t, raw, len, 0), REASON_NONE, "255 bytes");
	len = long_name(raw, 252, ":443");
	test_bad(raw, len, 443, REASON_SNI_BAD_HOST);
	len = long_name(raw, 254, ":1");
	test_bad(raw, len, 443, REASON_SNI_BAD_HOST);
	len = long_name(raw, 254, "");
	test_bad(raw, len, 443, REASON_SNI_BAD_HOST);
	len = long_name(raw, 253, ".");
	is_int(target_parse(&t, raw, len, 65535), REASON_NONE,
	    "253 bytes, a dot and the default port");
	is_int(target_format(&t, text), 259, "  the longest text");
	is_int(strlen(text), 259, "  is whole");
	len = long_name(raw, 63, ":443");
	is_int(target_parse(&t, raw, len, 0), REASON_NONE, "label of 63");
	memset(raw, 'a', 64);
	strcpy(raw + 64, ".com:443");
	test_bad(raw, 72, 443, REASON_SNI_BAD_HOST);
	is_int(target_parse(&t, "example.com:4430", 15, 0), REASON_NONE,
	    "reads len bytes");
	is_int(t.port, 443, "  and no more");
}

int
main(void)
{
	size_t i;

	for (i = 0; i < LEN(goods); i++)
		test_good(&goods[i]);
	for (i = 0; i < LEN(bads); i++)
		test_bad(bads[i].raw, strlen(bads[i].raw), bads[i].default_port,
		    bads[i].want);
	test_nul();
	test_lengths();
	return (done_testing());
}
