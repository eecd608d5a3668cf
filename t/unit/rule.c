/* Rule destinations: what is accepted, what it means, and its one spelling. */
#include "t/unit/tap.h"

#include <errno.h>

#include "common/policy/rule.h"

struct good {
	const char *text, *canonical; /* NULL: the same */
	enum rule_destination_kind kind;
	uint16_t low, high;
	const char *name; /* or the network */
};

static const struct good goods[] = {
	{ "db.example.com:5432", NULL, RULE_DESTINATION_NAME, 5432, 5432,
	    "db.example.com" },
	{ "DB.Example.COM.:5432", "db.example.com:5432", RULE_DESTINATION_NAME,
	    5432, 5432, "db.example.com" },
	{ "localhost:80", NULL, RULE_DESTINATION_NAME, 80, 80, "localhost" },
	{ "_srv._udp.example.com:53", NULL, RULE_DESTINATION_NAME, 53, 53,
	    "_srv._udp.example.com" },
	{ "*.example.org:443", NULL, RULE_DESTINATION_SUFFIX, 443, 443,
	    "example.org" },
	{ "*.Example.org.:443", "*.example.org:443", RULE_DESTINATION_SUFFIX,
	    443, 443, "example.org" },
	{ "*.org:443", NULL, RULE_DESTINATION_SUFFIX, 443, 443, "org" },
	{ "*:443", NULL, RULE_DESTINATION_ANY, 443, 443, "" },
	{ "*:*", NULL, RULE_DESTINATION_ANY, 1, 65535, "" },
	{ "mq.example.net:5671-5680", NULL, RULE_DESTINATION_NAME, 5671, 5680,
	    "mq.example.net" },
	{ "a.b:1-65535", "a.b:*", RULE_DESTINATION_NAME, 1, 65535, "a.b" },
	{ "a.b:7-7", "a.b:7", RULE_DESTINATION_NAME, 7, 7, "a.b" },
	{ "a.b:*", NULL, RULE_DESTINATION_NAME, 1, 65535, "a.b" },
	{ "a.b:1", NULL, RULE_DESTINATION_NAME, 1, 1, "a.b" },
	{ "a.b:65535", NULL, RULE_DESTINATION_NAME, 65535, 65535, "a.b" },
	{ "198.51.100.0/24:25", NULL, RULE_DESTINATION_NETWORK, 25, 25,
	    "198.51.100.0/24" },
	{ "198.51.100.7:25", "198.51.100.7/32:25", RULE_DESTINATION_NETWORK, 25,
	    25, "198.51.100.7/32" },
	{ "0.0.0.0/0:25", NULL, RULE_DESTINATION_NETWORK, 25, 25, "0.0.0.0/0" },
	{ "[2001:db8::/32]:443", NULL, RULE_DESTINATION_NETWORK, 443, 443,
	    "2001:db8::/32" },
	{ "[2001:DB8::1]:1-2", "[2001:db8::1/128]:1-2",
	    RULE_DESTINATION_NETWORK, 1, 2, "2001:db8::1/128" },
	{ "[::/0]:*", NULL, RULE_DESTINATION_NETWORK, 1, 65535, "::/0" },
};

static void
test_good(const struct good *g)
{
	char text[RULE_DESTINATION_TEXT_SIZE], network[ADDR_TEXT_SIZE];
	const char *want = g->canonical != NULL ? g->canonical : g->text;
	struct rule_destination d, again;
	const char *why = NULL;
	size_t len;

	memset(&d, 0xee, sizeof(d));
	if (!ok(rule_destination_parse(&d, g->text, strlen(g->text), &why) == 0,
		"%s is a destination", g->text))
		return;
	is_int(d.kind, g->kind, "its kind");
	ok(d.port_low == g->low && d.port_high == g->high, "its ports");
	if (g->kind == RULE_DESTINATION_NETWORK) {
		cidr_format(&d.network, network);
		is_str(network, g->name, "its network");
	} else {
		is_str(d.name, g->name, "its name");
		is_int(d.name_len, strlen(g->name), "the length of its name");
	}
	len = rule_destination_format(&d, text);
	is_str(text, want, "its canonical text");
	is_int(len, strlen(want), "the length of that");
	memset(&again, 0x11, sizeof(again));
	ok(rule_destination_parse(&again, text, len, &why) == 0 &&
		memcmp(&again, &d, sizeof(d)) == 0,
	    "which parses to the same");
}

struct bad {
	const char *text, *why; /* why: a part of it */
};

static const struct bad bads[] = {
	{ "", "write host:port" },
	{ "db.example.com", "write host:port" },
	{ "*", "write host:port" },
	{ "*.example.com", "write host:port" },
	{ "198.51.100.0/24", "write host:port" },
	{ "[2001:db8::1]", "write host:port" },
	{ "[2001:db8::1]443", "write host:port" },
	{ "[2001:db8::1] :443", "write host:port" },
	{ "[2001:db8::1:443", "bracket is not closed" },
	{ "[", "bracket is not closed" },
	{ "[]:443", "brackets are for IPv6" },
	{ "[198.51.100.7]:443", "brackets are for IPv6" },
	{ "[example.com]:443", "brackets are for IPv6" },
	{ "[fe80::1%eth0]:443", "not a block of addresses" },
	{ "[2001:db8::1/32]:443", "beyond its prefix length" },
	{ "[2001:db8::/129]:443", "not a block of addresses" },
	{ "2001:db8::1:443", "in brackets" },
	{ "example.com:443:443", "in brackets" },
	{ ":443", "no host" },
	{ "example.com:", "its port is missing" },
	{ "example.com:0", "its port is not a number" },
	{ "example.com:65536", "its port is not a number" },
	{ "example.com:0443", "its port is not a number" },
	{ "example.com: 443", "its port is not a number" },
	{ "example.com:https", "its port is not a number" },
	{ "example.com:1-", "its port is not a number" },
	{ "example.com:-1", "its port is not a number" },
	{ "example.com:1-2-3", "its port is not a number" },
	{ "example.com:1-*", "its port is not a number" },
	{ "example.com:**", "its port is not a number" },
	{ "https://example.com", "it is a URL" },
	{ "https://example.com:443/path", "it is a URL" },
	{ "example.com:99999", "its port is not a number from 1 to 65535" },
	{ "example.com:80,443", "it has more than one port" },
	{ "example.com:9-8", "run from high to low" },
	{ "[2001:db8::1]:", "its port is missing" },
	{ "a.*.com:443", "write *.example.com" },
	{ "*x.com:443", "write *.example.com" },
	{ "x*.com:443", "write *.example.com" },
	{ "*.*.com:443", "write *.example.com" },
	{ "**:443", "write *.example.com" },
	{ "x.*:443", "write *.example.com" },
	{ "*.:443", "neither a DNS name" },
	{ "198.51.100.1/24:25", "beyond its prefix length" },
	{ "198.51.100.0/33:25", "not a block of addresses" },
	{ "198.51.100/24:25", "not a block of addresses" },
	{ "example.com/24:25", "not a block of addresses" },
	{ "1.2.3:25", "neither a DNS name" },
	{ "1.2.3.256:25", "neither a DNS name" },
	{ "0x7f.1:25", "neither a DNS name" },
	{ "-a.com:25", "neither a DNS name" },
	{ "a..com:25", "neither a DNS name" },
	{ " a.com:25", "neither a DNS name" },
	{ "a.com :25", "neither a DNS name" },
	{ "user@a.com:25", "neither a DNS name" },
};

static void
test_bad(const struct bad *b)
{
	struct rule_destination d, untouched;
	const char *why = NULL;
	int r;

	memset(&d, 0xee, sizeof(d));
	untouched = d;
	r = rule_destination_parse(&d, b->text, strlen(b->text), &why);
	is_int(r, -EINVAL, b->text);
	if (!ok(why != NULL && strstr(why, b->why) != NULL, "says %s", b->why))
		printf("#   %s\n", why != NULL ? why : "nothing");
	ok(memcmp(&d, &untouched, sizeof(d)) == 0, "and is left alone");
}

/* A label of n letters. */
static char *
label(char *at, size_t n)
{
	memset(at, 'a', n);
	return (at + n);
}

static void
test_lengths(void)
{
	char text[512], again[RULE_DESTINATION_TEXT_SIZE], *at = text;
	struct rule_destination d;
	const char *why;
	size_t len;
	int i;

	*at++ = '*';
	for (i = 0; i < 3; i++) {
		*at++ = '.';
		at = label(at, 63);
	}
	*at++ = '.';
	at = label(at, 61);
	strcpy(at, ":60000-65535");
	len = strlen(text);
	is_int(len, 2 + 253 + 12, "the longest destination");
	ok(rule_destination_parse(&d, text, len, &why) == 0, "is taken");
	is_int(rule_destination_format(&d, again), len, "and formatted");
	is_str(again, text, "to the same");
	strcpy(at, "a:1");
	is_int(rule_destination_parse(&d, text, strlen(text), &why), -EINVAL,
	    "a name of 254 bytes is not");
	memset(text, ':', sizeof(text));
	is_int(rule_destination_parse(&d, text, sizeof(text), &why), -EINVAL,
	    "nor are 512 bytes");
	ok(rule_destination_parse(&d, "a.b:443x", 7, &why) == 0 &&
		d.port_low == 443,
	    "no more than the length is read");
	is_int(rule_destination_parse(&d, "a.b\0c:443", 9, &why), -EINVAL,
	    "a NUL is no end of the name");
	is_int(rule_destination_parse(&d, NULL, 0, &why), -EINVAL,
	    "nothing at all is no destination");
}

int
main(void)
{
	size_t i;

	for (i = 0; i < sizeof(goods) / sizeof(goods[0]); i++)
		test_good(&goods[i]);
	for (i = 0; i < sizeof(bads) / sizeof(bads[0]); i++)
		test_bad(&bads[i]);
	test_lengths();
	return (done_testing());
}
