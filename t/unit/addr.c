/*
 * Addresses and blocks: every strict spelling is read and printed alike, every
 * loose one is refused.
 */
#include "common/net/addr.h"

#include <netinet/in.h>

#include <arpa/inet.h>
#include <errno.h>

#include "t/unit/tap.h"

static void
ip(const char *in, const char *want)
{
	char text[ADDR_TEXT_SIZE];
	struct addr a;

	memset(&a, 0xee, sizeof(a));
	if (!ok(addr_parse_ip(&a, in, strlen(in)) == 0, "'%s' parses", in))
		return;
	is_int(addr_format_ip(&a, text), strlen(want), "  length of its text");
	is_str(text, want, "  its canonical form");
	is_int(a.port, 0, "  port 0");
}

static void
no_ip(const char *in)
{
	struct addr a;

	is_int(addr_parse_ip(&a, in, strlen(in)), -EINVAL, in);
}

static void
test_ipv4(void)
{
	struct addr a;

	ip("192.0.2.1", "192.0.2.1");
	ip("0.0.0.0", "0.0.0.0");
	ip("255.255.255.255", "255.255.255.255");
	no_ip("");
	no_ip("1");
	no_ip("127.1");
	no_ip("1.2.3");
	no_ip("1.2.3.4.5");
	no_ip("1.2.3.256");
	no_ip("1.2.3.4.");
	no_ip(".1.2.3.4");
	no_ip("1..3.4");
	no_ip("01.2.3.4");
	no_ip("1.2.3.00");
	no_ip("1.2.3.1000");
	no_ip("1.2.3.99999999999999999999");
	no_ip("2130706433");
	no_ip("0x7f.0.0.1");
	no_ip("0177.0.0.1");
	no_ip("1.2.3.4 ");
	no_ip(" 1.2.3.4");
	no_ip("+1.2.3.4");
	no_ip("1.2.3.-4");
	no_ip("1.2.3.4:80");
	is_int(addr_parse_ip(&a, "1.2.3.4\0", 8), -EINVAL, "NUL at the end");
	is_int(addr_parse_ip(&a, "1.2.3.4", 5), -EINVAL, "three numbers");
	is_int(addr_parse_ip(&a, "1.2.3.4", 6), -EINVAL, "  and a dot");
	is_int(addr_parse_ip(&a, "1.2.3.45", 7), 0, "reads len bytes");
	is_int(a.ip[3], 4, "  and no more");
	is_int(a.ip[4] | a.ip[15], 0, "  unused bytes are zero");
}

static void
test_ipv6(void)
{
	struct addr a;

	ip("::", "::");
	ip("::1", "::1");
	ip("2001:DB8:0::1", "2001:db8::1");
	ip("2001:0db8:0000:0000:0000:0000:0000:0001", "2001:db8::1");
	ip("2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1");
	ip("2001:0:0:1:0:0:0:1", "2001:0:0:1::1");
	ip("2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1");
	ip("64:ff9b::192.0.2.1", "64:ff9b::c000:201");
	ip("fe80::", "fe80::");
	ip("::ffff:192.0.2.1", "192.0.2.1");
	ip("::FFFF:c000:0201", "192.0.2.1");
	no_ip(":");
	no_ip(":::");
	no_ip("1::2::3");
	no_ip("1:2:3:4:5:6:7");
	no_ip("1:2:3:4:5:6:7:8:9");
	no_ip("12345::");
	no_ip("fe80::1%eth0");
	no_ip("fe80::1%1");
	no_ip("::1/128");
	no_ip("[::1]");
	no_ip("::1.2.3");
	no_ip("::01.2.3.4");
	no_ip("::ffff:1.2.3.256");
	no_ip("::g");
	no_ip(" ::1");
	no_ip("::1 ");
	no_ip("1111:2222:3333:4444:5555:6666:123.123.123.1234");
	no_ip("0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000");
	is_int(addr_parse_ip(&a, "::1\0", 4), -EINVAL, "NUL at the end");
	is_int(addr_parse_ip(&a, "::12", 3), 0, "reads len bytes");
	is_int(a.ip[15], 1, "  and no more");
}

static void
parses(const char *in, uint16_t default_port, const char *want)
{
	char text[ADDR_TEXT_SIZE];
	struct addr a;

	memset(&a, 0xee, sizeof(a));
	if (!ok(addr_parse(&a, in, strlen(in), default_port) == 0,
		"'%s', default port %u", in, default_port))
		return;
	is_int(addr_format(&a, text), strlen(want), "  length of its text");
	is_str(text, want, "  its canonical form");
}

static void
no_addr(const char *in, uint16_t default_port)
{
	struct addr a;

	is_int(addr_parse(&a, in, strlen(in), default_port), -EINVAL, in);
}

static void
test_with_port(void)
{
	struct addr a;

	is_int(addr_parse(&a, "192.0.2.1:53:", 12, 0), 0, "reads len bytes");
	is_int(addr_parse(&a, "192.0.2.1:530", 12, 0), 0, "  and no more");
	is_int(a.port, 53, "  of the port");
	parses("192.0.2.1:53", 0, "192.0.2.1:53");
	parses("192.0.2.1:65535", 53, "192.0.2.1:65535");
	parses("[2001:db8::1]:53", 0, "[2001:db8::1]:53");
	parses("192.0.2.1", 53, "192.0.2.1:53");
	parses("2001:db8::1", 53, "[2001:db8::1]:53");
	parses("[2001:db8::1]", 53, "[2001:db8::1]:53");
	parses("2001:db8::1:53", 9, "[2001:db8::1:53]:9");
	no_addr("192.0.2.1", 0);
	no_addr("2001:db8::1", 0);
	no_addr("[2001:db8::1]", 0);
	no_addr("", 53);
	no_addr(":53", 53);
	no_addr("192.0.2.1:", 53);
	no_addr("192.0.2.1:0", 53);
	no_addr("192.0.2.1:053", 53);
	no_addr("192.0.2.1:65536", 53);
	no_addr("[192.0.2.1]:53", 53);
	no_addr("[192.0.2.1]", 53);
	no_addr("[::1", 53);
	no_addr("::1]", 53);
	no_addr("[::1]53", 53);
	no_addr("[::1]:", 53);
	no_addr("[::1]:53:", 53);
	no_addr("[]:53", 53);
	no_addr("[[::1]]:53", 53);
	no_addr("[::1%lo]:53", 53);
	no_addr("localhost:53", 53);
}

static void
test_port(void)
{
	static const char *const bad[] = { "", "0", "00", "0443", "65536",
		"99999", "4294967297", "99999999999999999999", "+1", "-1", " 1",
		"1 ", "1e2", "0x1", "a", "443." };
	uint16_t port = 7;
	size_t i;

	is_int(addr_parse_port(&port, "1", 1), 0, "port 1");
	is_int(port, 1, "  is 1");
	is_int(addr_parse_port(&port, "65535", 5), 0, "port 65535");
	is_int(port, 65535, "  is 65535");
	is_int(addr_parse_port(&port, "4430", 3), 0, "reads len bytes");
	is_int(port, 443, "  and no more");
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		is_int(addr_parse_port(&port, bad[i], strlen(bad[i])), -EINVAL,
		    bad[i]);
	is_int(port, 443, "a bad port leaves *port alone");
}

static void
test_sockaddr(void)
{
	struct sockaddr_storage ss;
	struct sockaddr_in6 sin6 = { .sin6_family = AF_INET6,
		.sin6_port = htons(80),
		.sin6_scope_id = 3,
		.sin6_flowinfo = 5 };
	struct sockaddr_in sin;
	struct addr a, b;
	socklen_t len;

	addr_parse(&a, "192.0.2.1:53", 12, 0);
	len = addr_to_sockaddr(&a, &ss);
	is_int(len, sizeof(struct sockaddr_in), "length of sockaddr_in");
	memcpy(&sin, &ss, sizeof(sin));
	is_int(sin.sin_family, AF_INET, "  family");
	is_int(ntohs(sin.sin_port), 53, "  port");
	is_int(ntohl(sin.sin_addr.s_addr), 0xc0000201, "  address");
	is_int(addr_from_sockaddr(&b, (struct sockaddr *)&ss, len), 0, "back");
	ok(addr_equal(&a, &b), "  to the same");
	is_int(addr_from_sockaddr(&b, (struct sockaddr *)&ss, len - 1),
	    -EAFNOSUPPORT, "short sockaddr_in");

	inet_pton(AF_INET6, "2001:db8::1", &sin6.sin6_addr);
	is_int(addr_from_sockaddr(&a, (struct sockaddr *)&sin6, sizeof(sin6)),
	    0, "from sockaddr_in6");
	addr_parse(&b, "[2001:db8::1]:80", 16, 0);
	is_int(memcmp(&a, &b, sizeof(a)), 0, "  without the scope id");
	len = addr_to_sockaddr(&a, &ss);
	is_int(len, sizeof(sin6), "length of sockaddr_in6");
	sin6.sin6_scope_id = 0;
	sin6.sin6_flowinfo = 0;
	is_int(memcmp(&ss, &sin6, sizeof(sin6)), 0, "  the same bytes");

	inet_pton(AF_INET6, "::ffff:192.0.2.1", &sin6.sin6_addr);
	addr_from_sockaddr(&a, (struct sockaddr *)&sin6, sizeof(sin6));
	addr_parse(&b, "192.0.2.1:80", 12, 0);
	is_int(memcmp(&a, &b, sizeof(a)), 0, "IPv4-mapped becomes IPv4");
	is_int(
	    addr_from_sockaddr(&a, (struct sockaddr *)&sin6, sizeof(sin6) - 1),
	    -EAFNOSUPPORT, "short sockaddr_in6");
	sin6.sin6_family = AF_UNIX;
	is_int(addr_from_sockaddr(&a, (struct sockaddr *)&sin6, sizeof(sin6)),
	    -EAFNOSUPPORT, "AF_UNIX");
	is_int(addr_from_sockaddr(&a, (struct sockaddr *)&sin6, 0),
	    -EAFNOSUPPORT, "nothing");
	a = (struct addr){ 0 };
	is_int(addr_to_sockaddr(&a, &ss), 0, "no address has no sockaddr");
}

static void
test_equal(void)
{
	struct addr a, b;

	addr_parse(&a, "192.0.2.1:53", 12, 0);
	b = a;
	ok(addr_equal(&a, &b) && addr_equal_ip(&a, &b), "equal");
	b.port = 54;
	ok(!addr_equal(&a, &b) && addr_equal_ip(&a, &b), "other port");
	b = a;
	b.ip[3] = 2;
	ok(!addr_equal(&a, &b) && !addr_equal_ip(&a, &b), "other address");
	b = a;
	b.family = AF_INET6;
	ok(!addr_equal(&a, &b) && !addr_equal_ip(&a, &b), "other family");
}

static void
unwraps(const char *in, const char *want)
{
	char text[ADDR_TEXT_SIZE];
	struct addr a;

	addr_parse_ip(&a, in, strlen(in));
	a.port = 53;
	addr_unwrap(&a);
	addr_format(&a, text);
	is_str(text, want, in);
}

static void
test_unwrap(void)
{
	struct addr a = { .family = AF_INET6, .port = 53 };
	char text[ADDR_TEXT_SIZE];

	a.ip[10] = a.ip[11] = 0xff;
	a.ip[12] = 10;
	a.ip[15] = 1;
	addr_unwrap(&a);
	addr_format(&a, text);
	is_str(text, "10.0.0.1:53", "IPv4-mapped");
	is_int(a.ip[4] | a.ip[10] | a.ip[15], 0, "  unused bytes are zero");
	unwraps("64:ff9b::10.0.0.1", "10.0.0.1:53");
	unwraps("64:ff9b:0:0:0:1::", "[64:ff9b::1:0:0]:53");
	unwraps("64:ff9b:1::10.0.0.1", "[64:ff9b:1::a00:1]:53");
	unwraps("::fffe:10.0.0.1", "[::fffe:a00:1]:53");
	unwraps("2001:db8::1", "[2001:db8::1]:53");
	unwraps("192.0.2.1", "192.0.2.1:53");
}

/* More or fewer than those are a fault. */
static void
named(const char *in, const char *blocks, bool want)
{
	struct cidr c;
	struct addr a;

	cidr_parse(&c, blocks, strlen(blocks));
	addr_parse_ip(&a, in, strlen(in));
	ok(cidr_names(&c, &a) == want, "%s %s %s", blocks,
	    want ? "names" : "does not name", in);
}

static void
test_forms(void)
{
	struct addr a = { .family = AF_INET6 }, forms[ADDR_FORMS_MAX];
	struct addr none = { 0 };

	named("64:ff9b::198.41.0.4", "198.41.0.0/16", true);
	named("64:ff9b::198.41.0.4", "198.42.0.0/16", false);
	named("64:ff9b::198.41.0.4", "64:ff9b::/96", true);
	named("64:ff9b::198.41.0.4", "::/0", true);
	named("64:ff9b::198.41.0.4", "64:ff9b::198.41.0.4", true);
	named("64:ff9b::198.41.0.4", "64:ff9b::198.41.0.5", false);
	named("64:ff9b:1::198.41.0.4", "198.41.0.0/16", false);
	named("198.41.0.4", "64:ff9b::/96", false);
	named("198.41.0.4", "198.41.0.4", true);
	named("2001:db8::1", "2001:db8::/32", true);
	named("2001:db8::1", "0.0.0.0/0", false);
	/* Not as addr_parse_ip() leaves it, but as a sockaddr may have it. */
	a.ip[10] = a.ip[11] = 0xff;
	a.ip[12] = 198;
	is_int(addr_forms(&a, forms), 1, "IPv4-mapped: one form");
	is_int(forms[0].family, AF_INET, "  which is IPv4");
	is_int(addr_forms(&none, forms), 1, "no address: one form");
	is_int(forms[0].family, 0, "  which is none");
}

static void
block(const char *in, const char *want)
{
	char text[ADDR_TEXT_SIZE];
	struct cidr c;

	if (!ok(cidr_parse(&c, in, strlen(in)) == 0, "'%s' is a block", in))
		return;
	is_int(cidr_format(&c, text), strlen(want), "  length of its text");
	is_str(text, want, "  its canonical form");
}

static void
no_block(const char *in, int want)
{
	struct cidr c;

	is_int(cidr_parse(&c, in, strlen(in)), want, in);
}

static void
test_cidr_parse(void)
{
	block("192.0.2.0/24", "192.0.2.0/24");
	block("192.0.2.1", "192.0.2.1/32");
	block("0.0.0.0/0", "0.0.0.0/0");
	block("2001:DB8::/32", "2001:db8::/32");
	block("2001:db8::1", "2001:db8::1/128");
	block("::/0", "::/0");
	block("::/3", "::/3");
	block("::ffff:10.0.0.0/104", "10.0.0.0/8");
	block("::ffff:0:0/96", "0.0.0.0/0");
	no_block("", -EINVAL);
	no_block("/8", -EINVAL);
	no_block("10.0.0.0/", -EINVAL);
	no_block("10.0.0.0/33", -EINVAL);
	no_block("::/129", -EINVAL);
	no_block("10.0.0.0/08", -EINVAL);
	no_block("10.0.0.0/+8", -EINVAL);
	no_block("10.0.0.0/8/8", -EINVAL);
	no_block("10.0.0.0/255.0.0.0", -EINVAL);
	no_block("10/8", -EINVAL);
	no_block("10.0.0.0 /8", -EINVAL);
	no_block("10.0.0.0/4294967304", -EINVAL);
	no_block("[::]/0", -EINVAL);
	no_block("fe80::%lo/64", -EINVAL);
	no_block("192.0.2.1/24", -ERANGE);
	no_block("192.0.2.128/24", -ERANGE);
	no_block("10.0.0.0/6", -ERANGE);
	no_block("128.0.0.0/0", -ERANGE);
	no_block("2001:db8::1/127", -ERANGE);
	no_block("::ffff:0:0/95", -ERANGE);
	no_block("::ffff:10.0.0.1/104", -ERANGE);
}

static void
contains(const char *block_text, const char *in, bool want)
{
	struct cidr c;
	struct addr a;

	cidr_parse(&c, block_text, strlen(block_text));
	addr_parse_ip(&a, in, strlen(in));
	ok(cidr_contains(&c, &a) == want, "%s %s %s", block_text,
	    want ? "contains" : "does not contain", in);
}

static void
test_cidr_contains(void)
{
	contains("192.0.2.0/24", "192.0.2.0", true);
	contains("192.0.2.0/24", "192.0.2.255", true);
	contains("192.0.2.0/24", "192.0.1.255", false);
	contains("192.0.2.0/24", "192.0.3.0", false);
	contains("100.64.0.0/10", "100.127.255.255", true);
	contains("100.64.0.0/10", "100.128.0.0", false);
	contains("100.64.0.0/10", "100.63.255.255", false);
	contains("192.0.2.1/32", "192.0.2.1", true);
	contains("192.0.2.1/32", "192.0.2.0", false);
	contains("0.0.0.0/0", "255.255.255.255", true);
	contains("0.0.0.0/0", "::", false);
	contains("::/0", "0.0.0.0", false);
	contains("::/0", "ffff::", true);
	contains("2000::/3", "3fff:ffff::", true);
	contains("2000::/3", "4000::", false);
	contains("2001:db8::1/128", "2001:db8::1", true);
	contains("2001:db8::1/128", "2001:db8::2", false);
}

static void
test_longest(void)
{
	static const char text[] =
	    "[1111:2222:3333:4444:5555:6666:7777:8888]:65535";
	struct addr a = { 0 };
	char buf[ADDR_TEXT_SIZE];

	parses(text, 0, text);
	addr_format(&a, buf);
	is_str(buf, "-:0", "no address has a text, too");
}

int
main(void)
{
	test_ipv4();
	test_ipv6();
	test_with_port();
	test_port();
	test_sockaddr();
	test_equal();
	test_unwrap();
	test_forms();
	test_cidr_parse();
	test_cidr_contains();
	test_longest();
	return (done_testing());
}
