/* Which rules can never decide; t/unit/policy.c tries many at random. */
#include "common/policy/shadow.h"

#include <stdlib.h>

#include "common/conf/conf.h"
#include "t/unit/tap.h"

static const char head[] =
    "listeners = ( { address = \":1\"; } );\n"
    "tls = { certificates = ( { chain = \"/c\"; key = \"/k\"; } );\n"
    "  client_ca = \"/ca\"; client_auth = \"optional\"; };\n"
    "rules = ( ";

/*
 * The last of these rules; each is its destinations and, behind a blank, its
 * clients. want: the position, from 1, of the one that takes all, 0: several
 * do, -1: none.
 */
static void
last(int want, const char *what, const char *const *rules, size_t n)
{
	char text[8192], *errors = NULL, *clients, one[512];
	size_t i, len, work = 100000;
	const struct rule *by = NULL;
	struct policy *p = NULL;
	struct conf *conf = NULL;
	int got = -1;

	len = (size_t)snprintf(text, sizeof(text), "%s", head);
	for (i = 0; i < n; i++) {
		snprintf(one, sizeof(one), "%s", rules[i]);
		clients = strchr(one, ' ');
		if (clients != NULL)
			*clients++ = '\0';
		len += (size_t)snprintf(text + len, sizeof(text) - len,
		    "%s{ action = \"deny\"; destinations = [ \"%s\" ];"
		    "%s%s%s }",
		    i > 0 ? ", " : "", one,
		    clients != NULL ? " clients = [ \"" : "",
		    clients != NULL ? clients : "",
		    clients != NULL ? "\" ];" : "");
	}
	snprintf(text + len, sizeof(text) - len, " );");
	if (conf_parse(&conf, text, "test.conf", &errors) != 0 ||
	    policy_new(&p, conf->rules, conf->nrules) != 0) {
		printf("Bail out! %s\n", errors != NULL ? errors : "no memory");
		exit(1);
	}
	if (policy_shadowed(p, conf->rules, conf->nrules - 1, &work, &by))
		got = by != NULL ? (int)(by - conf->rules) + 1 : 0;
	is_int(got, want, what);
	work = 3;
	ok(!policy_shadowed(p, conf->rules, conf->nrules - 1, &work, &by),
	    "  nothing is said when there is no time to look");
	policy_free(p);
	conf_free(conf);
}

#define LAST(want, what, ...)                                  \
	last(want, what, (const char *const[]){ __VA_ARGS__ }, \
	    sizeof((const char *const[]){ __VA_ARGS__ }) /     \
		sizeof(const char *))

static void
test_hosts(void)
{
	LAST(-1, "alone", "*:*");
	LAST(1, "the same name", "a.test:443", "a.test:443");
	LAST(-1, "another name", "a.test:443", "b.test:443");
	LAST(1, "a name below", "*.test:443", "a.b.test:443");
	LAST(-1, "the name itself is not below it", "*.a.test:1", "a.test:1");
	LAST(1, "a wildcard below", "*.test:1", "*.a.test:1");
	LAST(1, "the same wildcard", "*.test:1", "*.test:1");
	LAST(-1, "a wildcard above", "*.a.test:1", "*.test:1");
	LAST(-1, "a name does not take a wildcard", "a.test:1", "*.test:1");
	LAST(1, "any name", "*:1", "*.test:1");
	LAST(1, "any name, twice", "*:1", "*:1");
	LAST(-1, "any name is more", "*.test:1", "*:1");
	LAST(-1, "any name is no address", "*:1", "192.0.2.1:1");
	LAST(1, "a block", "192.0.2.0/24:1", "192.0.2.7:1");
	LAST(-1, "a block is more", "192.0.2.0/25:1", "192.0.2.0/24:1");
	LAST(1, "IPv6", "[2001:db8::/32]:1", "[2001:db8:1::/48]:1");
	LAST(-1, "another family", "0.0.0.0/0:1", "[2001:db8::/32]:1");
	LAST(1, "NAT64 of a block", "192.0.2.0/24:1",
	    "[64:ff9b::192.0.2.0/120]:1");
	LAST(-1, "a block, of which NAT64", "[64:ff9b::/96]:1",
	    "192.0.2.0/24:1");
	LAST(2, "one of two", "b.test:1", "*.test:1", "a.test:1");
}

static void
test_ports(void)
{
	LAST(1, "a range", "a.test:1-99", "a.test:50-60");
	LAST(1, "all ports", "a.test:*", "a.test:1-65535");
	LAST(-1, "the first port is left", "a.test:2-65535", "a.test:*");
	LAST(-1, "the last port is left", "a.test:1-65534", "a.test:*");
	LAST(0, "two halves", "a.test:1-99", "*.test:100-65535", "a.test:*");
	LAST(-1, "two with a gap", "a.test:1-99", "*.test:101-65535",
	    "a.test:*");
}

static void
test_clients(void)
{
	LAST(1, "all clients", "*:1", "*:1 10.0.0.0/8");
	LAST(-1, "some clients", "*:1 10.0.0.0/8", "*:1");
	LAST(1, "a block of clients", "*:1 10.0.0.0/8", "*:1 10.1.0.0/16");
	LAST(-1, "a larger one", "*:1 10.1.0.0/16", "*:1 10.0.0.0/8");
	LAST(-1, "not the last of the block", "*:1 10.255.255.255",
	    "*:1 10.0.0.0/8");
	LAST(2, "behind one who is in it by chance", "*:1 10.255.255.255",
	    "*:1 10.0.0.0/8", "*:1 10.0.0.0/8");
	LAST(1, "an identity, of all clients", "*:1", "*:1 spiffe://a/b");
	LAST(1, "the same identity", "*:1 spiffe://a/b", "*:1 spiffe://a/b");
	LAST(-1, "another one", "*:1 spiffe://a/b", "*:1 spiffe://a/c");
	LAST(1, "what is below", "*:1 spiffe://a/*", "*:1 spiffe://a/b/c");
	LAST(1, "what is below it", "*:1 spiffe://a/*", "*:1 spiffe://a/b/*");
	LAST(1, "one segment", "*:1 spiffe://a/*/c", "*:1 spiffe://a/b/c");
	LAST(
	    1, "one segment twice", "*:1 spiffe://a/*/c", "*:1 spiffe://a/*/c");
	LAST(1, "it is below", "*:1 spiffe://a/*", "*:1 spiffe://a/*/c");
	LAST(
	    -1, "all below are more", "*:1 spiffe://a/*/c", "*:1 spiffe://a/*");
	LAST(-1, "two segments are less", "*:1 spiffe://a/*/*",
	    "*:1 spiffe://a/*");
	LAST(1, "a DNS name", "*:1 *.a.test", "*:1 x.a.test");
	LAST(1, "DNS names below", "*:1 *.a.test", "*:1 *.x.a.test");
	LAST(-1, "not the name itself", "*:1 *.a.test", "*:1 a.test");
	LAST(-1, "not what only ends so", "*:1 *.a.test", "*:1 xa.test");
	LAST(-1, "DNS names above", "*:1 *.x.a.test", "*:1 *.a.test");
	LAST(-1, "an address is no identity", "*:1 10.0.0.0/8",
	    "*:1 spiffe://a/b");
}

int
main(void)
{
	test_hosts();
	test_ports();
	test_clients();
	return (done_testing());
}
