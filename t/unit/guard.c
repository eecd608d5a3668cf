/*
 * The network guard: every block of its table at both edges, wrapped addresses,
 * networks that a rule opens, addresses of this host.
 */
#include "common/net/guard.h"

#include <netinet/in.h>

#include <stdlib.h>

#include "t/unit/addresses.h"
#include "t/unit/tap.h"

#define LEN(array) (sizeof(array) / sizeof((array)[0]))

struct range {
	const char *prefix, *name;
};

static const struct range table[] = {
#define GUARD(prefix, name) { prefix, name },
#include "common/net/guard.def"
#undef GUARD
};

/*
 * What must be refused, written down a second time, so that a line lost from
 * the table is noticed: first and last address, and the neighbours that are
 * public (NULL: special, too).
 */
struct block {
	const char *first, *last, *before, *after;
};

static const struct block blocks[] = {
	{ "0.0.0.0", "0.255.255.255", NULL, "1.0.0.0" },
	{ "10.0.0.0", "10.255.255.255", "9.255.255.255", "11.0.0.0" },
	{ "100.64.0.0", "100.127.255.255", "100.63.255.255", "100.128.0.0" },
	{ "127.0.0.0", "127.255.255.255", "126.255.255.255", "128.0.0.0" },
	{ "168.63.129.16", "168.63.129.16", "168.63.129.15", "168.63.129.17" },
	{ "169.254.0.0", "169.254.255.255", "169.253.255.255", "169.255.0.0" },
	{ "172.16.0.0", "172.31.255.255", "172.15.255.255", "172.32.0.0" },
	{ "192.0.0.0", "192.0.0.255", "191.255.255.255", "192.0.1.0" },
	{ "192.0.2.0", "192.0.2.255", "192.0.1.255", "192.0.3.0" },
	{ "192.31.196.0", "192.31.196.255", "192.31.195.255", "192.31.197.0" },
	{ "192.52.193.0", "192.52.193.255", "192.52.192.255", "192.52.194.0" },
	{ "192.88.99.0", "192.88.99.255", "192.88.98.255", "192.88.100.0" },
	{ "192.168.0.0", "192.168.255.255", "192.167.255.255", "192.169.0.0" },
	{ "192.175.48.0", "192.175.48.255", "192.175.47.255", "192.175.49.0" },
	{ "198.18.0.0", "198.19.255.255", "198.17.255.255", "198.20.0.0" },
	{ "198.51.100.0", "198.51.100.255", "198.51.99.255", "198.51.101.0" },
	{ "203.0.113.0", "203.0.113.255", "203.0.112.255", "203.0.114.0" },
	{ "224.0.0.0", "239.255.255.255", "223.255.255.255", NULL },
	{ "240.0.0.0", "255.255.255.255", NULL, NULL },
	{ "::", "::fffe:ffff:ffff", NULL, NULL },
	{ "64:ff9b:1::", "64:ff9b:1:ffff:ffff:ffff:ffff:ffff", NULL, NULL },
	{ "100::", "100::1:ffff:ffff:ffff:ffff", NULL, NULL },
	{ "200::", "1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", NULL, "2000::" },
	{ "2001::", "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff",
	    "2000:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "2001:200::" },
	{ "2001:2::", "2001:2:0:ffff:ffff:ffff:ffff:ffff", NULL, NULL },
	{ "2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff",
	    "2001:db7:ffff:ffff:ffff:ffff:ffff:ffff", "2001:db9::" },
	{ "2002::", "2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
	    "2001:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "2003::" },
	{ "2620:4f:8000::", "2620:4f:8000:ffff:ffff:ffff:ffff:ffff",
	    "2620:4f:7fff:ffff:ffff:ffff:ffff:ffff", "2620:4f:8001::" },
	{ "3fff::", "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff",
	    "3ffe:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "3fff:1000::" },
	{ "4000::", "7fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
	    "3fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", NULL },
	{ "5f00::", "5f00:ffff:ffff:ffff:ffff:ffff:ffff:ffff", NULL, NULL },
	{ "8000::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", NULL, NULL },
	{ "fc00::", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", NULL, NULL },
	{ "fe80::", "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff", NULL, NULL },
	{ "fec0::", "feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", NULL, NULL },
};

static struct addr
address(const char *text)
{
	return (address_of(text, 9999));
}

static struct guard *
guard_of(
    const struct cidr *own, size_t nown, const struct addr *lis, size_t nlis)
{
	struct guard *g;

	if (guard_new(&g, own, nown, lis, nlis) != 0) {
		printf("Bail out! no memory\n");
		exit(1);
	}
	return (g);
}

static bool
refused(const struct guard *g, const char *text)
{
	struct addr a = address(text);

	return (guard_check(g, &a, NULL, 0, NULL) == REASON_GUARD &&
		guard_special(&a) != NULL);
}

static bool
allowed(const struct guard *g, const char *text)
{
	struct addr a = address(text);

	return (guard_check(g, &a, NULL, 0, NULL) == REASON_NONE &&
		guard_special(&a) == NULL);
}

static void
test_blocks(const struct guard *g)
{
	const struct block *b;
	size_t i;

	for (i = 0; i < LEN(blocks); i++) {
		b = &blocks[i];
		ok(refused(g, b->first), "%s is refused", b->first);
		ok(refused(g, b->last), "%s is refused", b->last);
		if (b->before != NULL)
			ok(allowed(g, b->before), "%s is allowed", b->before);
		if (b->after != NULL)
			ok(allowed(g, b->after), "%s is allowed", b->after);
	}
}

static void
last_of(struct addr *a, const struct cidr *c)
{
	unsigned i, end = c->family == AF_INET ? 32 : 128;

	for (i = c->bits; i < end; i++)
		a->ip[i / 8] |= 0x80 >> i % 8;
}

/* The neighbour above (step 1) or below (step -1). False: there is none. */
static bool
neighbour(struct addr *a, int step)
{
	int i, sum, carry = step;

	for (i = (a->family == AF_INET ? 4 : 16) - 1; i >= 0; i--) {
		sum = a->ip[i] + carry;
		a->ip[i] = sum;
		carry = sum < 0 ? -1 : sum > 255;
	}
	return (carry == 0);
}

/* The name that the first line of the table gives to it, or NULL. */
static const char *
name_of(const struct addr *addr)
{
	struct addr a = *addr;
	struct cidr c;
	size_t i;

	addr_unwrap(&a);
	for (i = 0; i < LEN(table); i++) {
		c = block_of(table[i].prefix);
		if (cidr_contains(&c, &a))
			return (table[i].name);
	}
	return (NULL);
}

static bool
same_name(const char *a, const char *b)
{
	return (a == b || (a != NULL && b != NULL && strcmp(a, b) == 0));
}

static void
check_name(const struct guard *g, const struct addr *a, const char *want)
{
	char text[ADDR_TEXT_SIZE];
	const char *why = NULL;

	guard_check(g, a, NULL, 0, &why);
	addr_format_ip(a, text);
	ok(same_name(why, want), "%s: %s", text,
	    want != NULL ? want : "allowed");
	if (!same_name(guard_special(a), want))
		ok(false, "%s: guard_special says the same", text);
}

static void
test_table(const struct guard *g)
{
	struct addr first, last;
	struct cidr c;
	size_t i;

	for (i = 0; i < LEN(table); i++) {
		c = block_of(table[i].prefix);
		first = (struct addr){ .family = c.family };
		memcpy(first.ip, c.ip, sizeof(first.ip));
		last = first;
		last_of(&last, &c);
		check_name(g, &first, name_of(&first));
		check_name(g, &last, name_of(&last));
		if (neighbour(&first, -1))
			check_name(g, &first, name_of(&first));
		if (neighbour(&last, 1))
			check_name(g, &last, name_of(&last));
	}
}

static void
is_named(const char *text, const char *want)
{
	struct addr a = address(text);

	is_str(guard_special(&a), want, text);
}

static void
test_names(void)
{
	is_named("0.0.0.0", "This host on this network");
	is_named("192.0.0.1", "IPv4 Service Continuity Prefix");
	is_named("192.0.0.8", "IPv4 dummy address");
	is_named("192.0.0.9", "Port Control Protocol Anycast");
	is_named("192.0.0.10", "Traversal Using Relays around NAT Anycast");
	is_named("192.0.0.171", "NAT64/DNS64 Discovery");
	is_named("192.88.99.2", "6a44-relay anycast address");
	is_named("192.0.0.192", "IETF Protocol Assignments");
	is_named("240.240.0.1", "Reserved (Istio virtual addresses)");
	is_named("255.255.255.255", "Limited Broadcast");
	is_named("254.0.0.1", "Reserved");
	is_named("::", "Unspecified Address");
	is_named("::1", "Loopback Address");
	is_named("::2", "IPv4-Compatible");
	is_named("64:ff9b:1::1", "IPv4-IPv6 Translation");
	is_named("100::1", "Discard-Only Address Block");
	is_named("100:0:0:1::1", "Dummy IPv6 Prefix");
	is_named("2001::1", "TEREDO");
	is_named("2001:1::1", "Port Control Protocol Anycast");
	is_named("2001:1::2", "Traversal Using Relays around NAT Anycast");
	is_named("2001:1::3", "DNS-SD Service Registration Protocol Anycast");
	is_named("2001:3::1", "AMT");
	is_named("2001:4:112::1", "AS112-v6");
	is_named("2001:10::1", "Deprecated (previously ORCHID)");
	is_named("2001:20::1", "ORCHIDv2");
	is_named(
	    "2001:30::1", "Drone Remote ID Protocol Entity Tags (DETs) Prefix");
	is_named("5f00::1", "Segment Routing (SRv6) SIDs");
	is_named("fe80::1", "Link-Local Unicast");
	is_named("fec0::1", "Deprecated (Site-Local)");
	is_named("ff02::1", "Multicast");
	is_named("2001:2::1", "Benchmarking (Istio virtual addresses)");
	is_named("2001:5::1", "IETF Protocol Assignments");
	is_named("fd00:ec2::254", "Unique-Local");
	is_named("1000::1", "Not Global Unicast");
	is_named("9000::1", "Not Global Unicast");
	is_named("192.0.1.1", NULL);
	is_named("2606:4700::1", NULL);
}

static void
test_wrapped(const struct guard *g)
{
	struct addr a = { .family = AF_INET6, .port = 80 };

	ok(refused(g, "64:ff9b::10.0.0.1"), "NAT64 of a private address");
	ok(refused(g, "64:ff9b::169.254.169.254"), "NAT64 of metadata");
	ok(allowed(g, "64:ff9b::8.8.8.8"), "NAT64 of a public address");
	a.ip[10] = a.ip[11] = 0xff;
	a.ip[12] = 127;
	a.ip[15] = 1;
	is_int(guard_check(g, &a, NULL, 0, NULL), REASON_GUARD,
	    "IPv4-mapped loopback");
	a.ip[12] = 8;
	is_int(guard_check(g, &a, NULL, 0, NULL), REASON_NONE,
	    "IPv4-mapped public address");
}

static void
check(const struct guard *g, const char *text, const struct cidr *networks,
    size_t n, enum reason want, const char *what)
{
	struct addr a = address(text);
	enum reason got = guard_check(g, &a, networks, n, NULL);

	ok(got == want, "%s: %s: %s, got %s", what, text, reason_name(want),
	    reason_name(got));
}

static void
test_networks(const struct guard *g)
{
	struct cidr nets[] = { block_of("10.20.0.0/16"), block_of("fd00::/64"),
		block_of("127.0.0.1/32") };
	struct cidr nat64[] = { block_of("64:ff9b::10.21.0.0/112") };

	check(g, "10.20.0.0", nets, 3, REASON_NONE, "first of a network");
	check(g, "10.20.255.255", nets, 3, REASON_NONE, "last of a network");
	check(g, "10.21.0.0", nets, 3, REASON_GUARD, "beside a network");
	check(g, "10.19.255.255", nets, 3, REASON_GUARD, "beside a network");
	check(g, "fd00::1", nets, 3, REASON_NONE, "IPv6 network");
	check(g, "fd00:0:0:1::", nets, 3, REASON_GUARD, "beside it");
	check(g, "64:ff9b::10.20.0.1", nets, 3, REASON_NONE,
	    "NAT64 is unwrapped for networks, too");
	check(g, "64:ff9b::10.21.0.1", nets, 3, REASON_GUARD,
	    "what NAT64 carries beside them");
	check(g, "64:ff9b::10.21.0.1", nat64, 1, REASON_NONE,
	    "NAT64 itself, where it is named");
	check(g, "10.21.0.1", nat64, 1, REASON_GUARD, "not what it carries");
	check(g, "127.0.0.1:80", nets, 3, REASON_NONE, "loopback opened");
	check(g, "127.0.0.2:80", nets, 3, REASON_GUARD, "not opened");
	check(g, "8.8.8.8", nets, 3, REASON_NONE,
	    "networks do not close anything");
}

static void
test_listeners(void)
{
	struct cidr own[] = { block_of("198.51.200.7"),
		block_of("2606:4700::7") };
	struct addr lis[] = { address("0.0.0.0:8443"), address("[::]:9443"),
		address("151.101.1.1:7443") };
	struct cidr all[] = { block_of("0.0.0.0/0"), block_of("::/0") };
	struct guard *g = guard_of(own, 2, lis, 3);
	const enum reason loop = REASON_OWN_LISTENER;

	check(g, "198.51.200.7:8443", NULL, 0, loop, "own address and port");
	check(g, "198.51.200.7:8443", all, 2, loop, "whatever networks say");
	check(g, "198.51.200.7:9443", NULL, 0, loop, "any of our ports");
	check(g, "[2606:4700::7]:8443", NULL, 0, loop, "own IPv6 address");
	check(g, "[64:ff9b::198.51.200.7]:8443", NULL, 0, loop,
	    "own address in NAT64");
	check(g, "127.0.0.1:8443", all, 2, loop, "loopback");
	check(g, "127.255.0.9:7443", all, 2, loop, "all of 127.0.0.0/8");
	check(g, "[::1]:8443", all, 2, loop, "IPv6 loopback");
	check(g, "0.0.0.0:8443", all, 2, loop, "unspecified");
	check(g, "[::]:9443", all, 2, loop, "IPv6 unspecified");
	check(
	    g, "[64:ff9b::127.0.0.1]:8443", all, 2, loop, "loopback in NAT64");
	check(g, "151.101.1.1:7443", all, 2, loop, "a listener's address");
	check(g, "8.8.8.8:8443", NULL, 0, REASON_NONE, "our port elsewhere");
	check(g, "[2606:4700::8]:8443", NULL, 0, REASON_NONE,
	    "our port elsewhere");
	check(g, "127.0.0.1:80", NULL, 0, REASON_GUARD, "loopback, other port");
	check(g, "127.0.0.1:80", all, 2, REASON_NONE,
	    "loopback, other port, opened");
	guard_free(g);
}

/* An address of this host, which the guard was not told of. */
static void
check_own(const struct guard *g, const char *text, const struct cidr *networks,
    size_t n, enum reason want, const char *what)
{
	struct addr a = address(text);
	enum reason got = guard_check_own(g, &a, networks, n, NULL);

	ok(got == want, "%s: %s: %s, got %s", what, text, reason_name(want),
	    reason_name(got));
}

static void
test_own(void)
{
	struct cidr own[] = { block_of("198.51.200.7"),
		block_of("2606:4700::7"), block_of("151.101.0.0/24"),
		block_of("151.101.0.255") };
	struct addr lis[] = { address("151.101.1.1:7443") };
	struct cidr some[] = { block_of("151.101.0.0/25"),
		block_of("2606:4700::/32"), block_of("0.0.0.0/32") };
	struct guard *g = guard_of(own, 4, lis, 1);
	struct addr a = address("198.51.200.7:443");
	const char *why = NULL;

	check(g, "198.51.200.7:443", NULL, 0, REASON_GUARD,
	    "own public address, other port");
	guard_check(g, &a, NULL, 0, &why);
	is_str(why, "Address of this host", "  by that name");
	check(g, "[2606:4700::7]:443", NULL, 0, REASON_GUARD, "IPv6");
	check(g, "[64:ff9b::198.51.200.7]:443", NULL, 0, REASON_GUARD,
	    "in NAT64");
	check(g, "151.101.1.1:443", NULL, 0, REASON_GUARD,
	    "a listener's address, other port");
	check(g, "151.101.0.9:443", NULL, 0, REASON_GUARD,
	    "of a block that is routed here");
	check(g, "151.101.0.255:443", NULL, 0, REASON_GUARD, "its last");
	check(g, "198.51.200.6:443", NULL, 0, REASON_NONE, "beside it");
	check(g, "198.51.200.8:443", NULL, 0, REASON_NONE, "beside it");
	check(g, "151.101.0.9:443", some, 3, REASON_NONE, "opened by name");
	check(g, "[2606:4700::7]:443", some, 3, REASON_NONE, "opened: IPv6");
	check(g, "151.101.0.129:443", some, 3, REASON_GUARD, "not opened");
	check(g, "0.0.0.0:443", some, 3, REASON_GUARD,
	    "the unspecified address cannot be opened");
	check_own(g, "8.8.8.8:443", NULL, 0, REASON_GUARD,
	    "it turned out to be ours");
	check_own(g, "8.8.8.8:443", some, 3, REASON_GUARD, "  not opened");
	check_own(g, "8.8.8.8:7443", some, 3, REASON_OWN_LISTENER,
	    "  with a listener's port");
	check_own(g, "151.101.0.9:443", some, 3, REASON_NONE, "  opened");
	check_own(g, "10.0.0.1:443", some, 3, REASON_GUARD, "  private");
	guard_free(g);
}

static void
closes(const struct guard *g, const char *text, bool want)
{
	struct cidr c = block_of(text);

	ok(guard_closes(g, &c) == want, "%s: %s", text,
	    want ? "there is something to open" : "nothing to open");
}

static void
test_closes(void)
{
	struct cidr own[] = { block_of("8.8.8.7"), block_of("2606:4700::/64") };
	struct guard *g = guard_of(own, 2, NULL, 0);

	closes(g, "10.0.0.0/8", true);
	closes(g, "10.1.2.3", true);
	closes(g, "0.0.0.0/0", true);
	closes(g, "::/0", true);
	closes(g, "8.0.0.0/8", true);
	closes(g, "8.8.8.7", true);
	closes(g, "8.8.8.8", false);
	closes(g, "9.0.0.0/8", false);
	closes(g, "11.0.0.0/8", false);
	closes(g, "8.0.0.0/6", true);
	closes(g, "2606:4700::/32", true);
	closes(g, "2606:4701::/32", false);
	closes(g, "fd00::/64", true);
	closes(g, "64:ff9b::/96", true);
	closes(g, "64:ff9b::9.0.0.0/104", false);
	closes(g, "64:ff9b::10.0.0.0/104", true);
	closes(g, "64:ff9b::8.8.8.7", true);
	guard_free(g);
}

static void
leads(struct guard_probe *p, const char *text, bool want)
{
	struct addr a = address(text);

	ok(guard_leads_here(p, &a) == want, "%s %s to this host", text,
	    want ? "leads" : "does not lead");
}

static void
test_leads(void)
{
	struct addr none = { 0 };
	struct guard_probe p;

	guard_probe_init(&p);
	leads(&p, "127.0.0.1:80", true);
	leads(&p, "127.9.9.9:80", true);
	leads(&p, "64:ff9b::127.0.0.1", true);
	leads(&p, "8.8.8.8:80", false);
	leads(&p, "[2606:4700::7]:80", false);
	leads(&p, "[fe80::1]:80", false);
	ok(!guard_leads_here(&p, &none), "no address does not lead here");
	guard_probe_fini(&p);
}

static void
test_copies(void)
{
	struct cidr own = block_of("198.51.200.7");
	struct addr lis = address("198.51.200.7:8443");
	struct guard *g = guard_of(&own, 1, &lis, 1);

	own = (struct cidr){ 0 };
	lis = (struct addr){ 0 };
	check(g, "198.51.200.7:8443", NULL, 0, REASON_OWN_LISTENER,
	    "lists are copied");
	check(g, "[::]:8443", NULL, 0, REASON_OWN_LISTENER,
	    "unspecified, where no listener is");
	guard_free(g);
	guard_free(NULL);
}

static void
test_no_address(const struct guard *g)
{
	struct cidr all = block_of("0.0.0.0/0");
	struct addr none = { 0 };
	const char *why = NULL;

	is_int(guard_check(g, &none, &all, 1, &why), REASON_GUARD,
	    "no address may not be dialled");
	ok(why != NULL, "  and why is set");
}

int
main(void)
{
	struct guard *g = guard_of(NULL, 0, NULL, 0);

	test_blocks(g);
	test_table(g);
	test_names();
	test_wrapped(g);
	test_networks(g);
	test_listeners();
	test_own();
	test_closes();
	test_leads();
	test_copies();
	test_no_address(g);
	guard_free(g);
	return (done_testing());
}
