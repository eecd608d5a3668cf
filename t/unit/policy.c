/*
 * The compiled policy decides as a naive search through the rules does, for
 * random rules and by every kind of destination and client.
 */
#include <arpa/inet.h>
#include <stdlib.h>

#include "common/policy/policy.h"
#include "common/policy/shadow.h"
#include "t/unit/addresses.h"
#include "t/unit/tap.h"

#define RULES_MAX   48
#define DESTS_MAX   4
#define CLIENTS_MAX 24
#define SETS	    80

/* Rules in place, so that a test reads as a table. */
struct rules {
	struct rule rules[RULES_MAX];
	struct rule_destination dests[RULES_MAX][DESTS_MAX];
	struct rule_client clients[RULES_MAX][CLIENTS_MAX];
	struct identity_pattern patterns[RULES_MAX][CLIENTS_MAX];
	bool never[RULES_MAX]; /* policy_shadowed() */
	bool decided[RULES_MAX];
	size_t n;
};

static uint64_t seed = 20260101;

static unsigned
rnd(unsigned n)
{
	seed = seed * UINT64_C(6364136223846793005) +
	       UINT64_C(1442695040888963407);
	return ((unsigned)(seed >> 33) % n);
}

/* The definition of a match, written as plainly as can be. */

static bool
naive_block(const struct cidr *c, const struct addr *a)
{
	static const uint8_t nat64[12] = { 0x00, 0x64, 0xff, 0x9b };
	struct addr inside = { .family = AF_INET };

	if (a->family == AF_INET6 && memcmp(a->ip, nat64, sizeof(nat64)) == 0)
		memcpy(inside.ip, a->ip + sizeof(nat64), 4);
	else
		inside = *a;
	return (cidr_contains(c, a) || cidr_contains(c, &inside));
}

static bool
naive_destination(const struct rule_destination *d, const struct target *t)
{
	size_t len = t->host_len, n = d->name_len;

	if (t->port < d->port_low || t->port > d->port_high)
		return (false);
	if ((d->kind == RULE_DESTINATION_NETWORK) != (t->addr.family != 0))
		return (false);
	switch (d->kind) {
	case RULE_DESTINATION_NAME:
		return (strcmp(d->name, t->host) == 0);
	case RULE_DESTINATION_SUFFIX:
		return (len > n + 1 && t->host[len - n - 1] == '.' &&
			strcmp(t->host + len - n, d->name) == 0);
	case RULE_DESTINATION_ANY:
		return (true);
	case RULE_DESTINATION_NETWORK:
		return (naive_block(&d->network, &t->addr));
	}
	return (false);
}

static bool
naive_client(const struct rule_client *c, const struct policy_question *q)
{
	bool is = false;
	size_t i;

	if (c->kind == RULE_CLIENT_NETWORK)
		return (naive_block(&c->network, q->client));
	for (i = 0; i < q->nidentities && q->identities_known; i++)
		is |= identity_match(c->identity, &q->identities[i]);
	return (is);
}

static struct policy_answer
naive_decide(const struct rules *rs, const struct policy_question *q)
{
	struct policy_answer answer = { .rule = NULL };
	const struct rule *r;
	bool dest, from, names;
	size_t i;

	for (r = rs->rules; r < rs->rules + rs->n; r++) {
		dest = names = false;
		from = r->nclients == 0;
		for (i = 0; i < r->ndestinations; i++)
			dest |=
			    naive_destination(&r->destinations[i], q->target);
		for (i = 0; i < r->nclients; i++) {
			from |= naive_client(&r->clients[i], q);
			names |= r->clients[i].kind == RULE_CLIENT_IDENTITY;
		}
		if (dest && from) {
			answer.rule = r;
			return (answer);
		}
		answer.wait |= dest && names && !q->identities_known;
	}
	return (answer);
}

/* One more client of the rule, as text has it. */
static void
add_client(struct rule *r, const char *text)
{
	struct rule_client *c = &r->clients[r->nclients++];
	const char *why;

	if (cidr_parse(&c->network, text, strlen(text)) == 0)
		return;
	/* rules_init() has left a place for it. */
	if (identity_pattern_parse(c->identity, text, strlen(text), &why) != 0)
		abort();
	c->kind = RULE_CLIENT_IDENTITY;
}

static struct target
name_target(const char *host, uint16_t port)
{
	struct target t;

	memset(&t, 0, sizeof(t));
	snprintf(t.host, sizeof(t.host), "%s", host);
	t.host_len = (uint16_t)strlen(host);
	t.port = port;
	return (t);
}

static struct target
addr_target(const char *ip, uint16_t port)
{
	struct target t = name_target(ip, port);

	t.addr = address_of(ip, port);
	return (t);
}

static void
rules_init(struct rules *rs)
{
	size_t i, j;

	memset(rs, 0, sizeof(*rs));
	for (i = 0; i < RULES_MAX; i++) {
		rs->rules[i].destinations = rs->dests[i];
		rs->rules[i].clients = rs->clients[i];
		for (j = 0; j < CLIENTS_MAX; j++)
			rs->clients[i][j].identity = &rs->patterns[i][j];
	}
}

static struct rule_destination *
add_dest(struct rule *r, enum rule_destination_kind kind, const char *text,
    uint16_t low, uint16_t high)
{
	struct rule_destination *d = &r->destinations[r->ndestinations++];

	d->kind = kind;
	d->port_low = low;
	d->port_high = high;
	if (kind == RULE_DESTINATION_NETWORK) {
		d->network = block_of(text);
	} else if (kind != RULE_DESTINATION_ANY) {
		snprintf(d->name, sizeof(d->name), "%s", text);
		d->name_len = (uint16_t)strlen(text);
	}
	return (d);
}

static struct rule *
add_rule(struct rules *rs, enum rule_destination_kind kind, const char *text,
    uint16_t low, uint16_t high, const char *client)
{
	struct rule *r = &rs->rules[rs->n++];

	add_dest(r, kind, text, low, high);
	if (client != NULL)
		add_client(r, client);
	return (r);
}

/* With destinations that are gone when it is asked to decide. */
static int
compile(struct policy **p, struct rules *rs)
{
	static struct rule_destination lent[RULES_MAX][DESTS_MAX];
	size_t i;
	int r;

	memcpy(lent, rs->dests, sizeof(lent));
	for (i = 0; i < RULES_MAX; i++)
		rs->rules[i].destinations = lent[i];
	r = policy_new(p, rs->rules, rs->n);
	for (i = 0; i < RULES_MAX; i++)
		rs->rules[i].destinations = rs->dests[i];
	memset(lent, 0xff, sizeof(lent));
	return (r);
}

/* The index of the rule that decides, or -1. */
static int
decide(const struct rules *rs, const struct policy *p, struct target t,
    const char *client)
{
	struct addr a = address_of(client, 1234);
	const struct policy_question q = {
		.target = &t, .client = &a, .identities_known = true
	};
	const struct rule *r = policy_decide(p, &q).rule;

	return (r == NULL ? -1 : (int)(r - rs->rules));
}

static void
test_empty(void)
{
	struct policy *p = NULL;
	struct target t = name_target("example.com", 443);
	struct target u = addr_target("192.0.2.1", 443);
	struct addr a = address_of("192.0.2.2", 1);
	struct policy_question q = { .target = &t, .client = &a };

	is_int(policy_new(&p, NULL, 0), 0, "no rules at all compile");
	ok(policy_decide(p, &q).rule == NULL, "no rules allow no name");
	ok(!policy_decide(p, &q).wait, "and wait for no certificate");
	q.target = &u;
	ok(policy_decide(p, &q).rule == NULL, "no rules allow no address");
	policy_free(p);
	policy_free(NULL);
}

static void
test_kinds(void)
{
	static struct rules rs;
	struct policy *p = NULL;

	rules_init(&rs);
	add_rule(
	    &rs, RULE_DESTINATION_NAME, "db.example.com", 5432, 5432, NULL);
	add_rule(&rs, RULE_DESTINATION_SUFFIX, "example.org", 443, 443, NULL);
	add_rule(
	    &rs, RULE_DESTINATION_NETWORK, "198.51.100.0/24", 25, 25, NULL);
	add_rule(
	    &rs, RULE_DESTINATION_NETWORK, "2001:db8::/32", 1, 65535, NULL);
	add_rule(&rs, RULE_DESTINATION_ANY, NULL, 7, 9, "10.0.0.0/8");
	if (!ok(compile(&p, &rs) == 0, "compiles"))
		return;
#define D(t, c) decide(&rs, p, t, c)
	is_int(D(name_target("db.example.com", 5432), "192.0.2.1"), 0,
	    "a name matches");
	is_int(D(name_target("db.example.com", 5433), "192.0.2.1"), -1,
	    "another port does not");
	is_int(D(name_target("x.db.example.com", 5432), "192.0.2.1"), -1,
	    "a name below does not");
	is_int(D(name_target("a.example.org", 443), "192.0.2.1"), 1,
	    "a wildcard matches one label");
	is_int(D(name_target("a.b.c.example.org", 443), "192.0.2.1"), 1,
	    "a wildcard matches any depth");
	is_int(D(name_target("example.org", 443), "192.0.2.1"), -1,
	    "a wildcard does not match the apex");
	is_int(D(name_target("anexample.org", 443), "192.0.2.1"), -1,
	    "a wildcard ends at a label");
	is_int(D(addr_target("198.51.100.255", 25), "192.0.2.1"), 2,
	    "an address in a block matches");
	is_int(D(addr_target("198.51.101.0", 25), "192.0.2.1"), -1,
	    "an address beside it does not");
	is_int(D(addr_target("2001:db8:ffff::1", 65535), "192.0.2.1"), 3,
	    "an IPv6 address matches, at the last port");
	is_int(D(name_target("any.test", 8), "10.255.0.1"), 4,
	    "any name matches for that client");
	is_int(D(name_target("any.test", 8), "11.0.0.0"), -1,
	    "any name does not match for another client");
	is_int(D(addr_target("192.0.2.8", 8), "10.0.0.1"), -1,
	    "any name matches no address");
	is_int(
	    D(name_target("any.test", 6), "10.0.0.1"), -1, "below the ports");
	is_int(
	    D(name_target("any.test", 10), "10.0.0.1"), -1, "beyond the ports");
	is_int(D(name_target("any.test", 8), "2001:db8::1"), -1,
	    "an IPv6 client is in no IPv4 block");
#undef D
	policy_free(p);
}

/* Whatever the spelling, the same rule decides: a block names what an address
 * carries inside, and the address as it is. */
static void
test_spellings(void)
{
	static struct rules rs;
	struct policy *p = NULL;

	rules_init(&rs);
	add_rule(
	    &rs, RULE_DESTINATION_NETWORK, "198.41.0.0/16", 1, 65535, NULL);
	add_rule(&rs, RULE_DESTINATION_NETWORK, "64:ff9b::192.0.2.1", 1, 65535,
	    "10.0.0.0/8");
	add_rule(&rs, RULE_DESTINATION_NETWORK, "::/0", 1, 65535, NULL);
	add_rule(&rs, RULE_DESTINATION_ANY, NULL, 1, 65535, "10.0.0.0/8");
	if (!ok(compile(&p, &rs) == 0, "compiles"))
		return;
#define D(t, c) decide(&rs, p, t, c)
	is_int(D(addr_target("64:ff9b::198.41.0.4", 443), "192.0.2.1"), 0,
	    "a rule for IPv4 addresses matches them in NAT64");
	is_int(D(addr_target("64:ff9b::198.42.0.4", 443), "192.0.2.1"), 2,
	    "not others");
	is_int(D(addr_target("::ffff:198.41.0.4", 443), "192.0.2.1"), 0,
	    "it matches them mapped");
	is_int(D(addr_target("64:ff9b::192.0.2.1", 443), "10.0.0.1"), 1,
	    "a rule for one in NAT64 matches it");
	is_int(D(addr_target("192.0.2.1", 443), "10.0.0.1"), -1,
	    "but not the IPv4 address alone");
	is_int(D(name_target("a.test", 443), "64:ff9b::10.9.8.7"), 3,
	    "a client in NAT64 is the IPv4 client");
	is_int(D(name_target("a.test", 443), "64:ff9b::11.0.0.1"), -1,
	    "another is not");
#undef D
	policy_free(p);
}

/* The order of the file decides, not how exact a rule is. */
static void
test_order(void)
{
	static struct rules rs;
	struct policy *p = NULL;

	rules_init(&rs);
	add_rule(&rs, RULE_DESTINATION_NAME, "a.b.test", 1, 99, "10.0.0.0/8");
	add_rule(&rs, RULE_DESTINATION_SUFFIX, "test", 50, 60, NULL);
	add_rule(&rs, RULE_DESTINATION_NAME, "a.b.test", 1, 65535, NULL);
	add_rule(&rs, RULE_DESTINATION_ANY, NULL, 1, 65535, NULL);
	add_rule(&rs, RULE_DESTINATION_NAME, "late.test", 1, 65535, NULL);
	if (!ok(compile(&p, &rs) == 0, "compiles"))
		return;
	is_int(decide(&rs, p, name_target("a.b.test", 55), "10.1.1.1"), 0,
	    "the first rule wins");
	is_int(decide(&rs, p, name_target("a.b.test", 55), "11.1.1.1"), 1,
	    "a wildcard before a name wins");
	is_int(decide(&rs, p, name_target("a.b.test", 49), "11.1.1.1"), 2,
	    "then the name");
	is_int(decide(&rs, p, name_target("late.test", 49), "11.1.1.1"), 3,
	    "any name before a name wins");
	policy_free(p);
}

static const char *
random_host(char buf[16])
{
	unsigned i, n = 1 + rnd(4);

	buf[0] = '\0';
	for (i = 0; i < n; i++) {
		if (i > 0)
			strcat(buf, ".");
		strcat(buf, rnd(2) ? "a" : "bb");
	}
	return (buf);
}

/* Of 16 addresses, at the start, within and at the end of both spaces, and
 * one that NAT64 carries, which is another of them. */
static struct addr
small_address(unsigned i)
{
	struct addr a;

	memset(&a, 0, sizeof(a));
	a.family = i % 2 ? AF_INET6 : AF_INET;
	if (i % 16 >= 14) {
		memset(a.ip, 0xff, i % 2 ? 16 : 4);
	} else if (i % 16 == 13) {
		a = address_of("64:ff9b::10.0.0.2", 0);
	} else {
		a.ip[0] = 10;
		a.ip[i % 2 ? 15 : 3] = (uint8_t)(i / 2);
	}
	return (a);
}

static struct cidr
random_block(void)
{
	struct addr a = small_address(rnd(16));
	unsigned width = a.family == AF_INET ? 32 : 128;
	struct cidr c;
	unsigned i;

	memset(&c, 0, sizeof(c));
	c.family = a.family;
	c.bits = (uint16_t)(rnd(8) == 0 ? rnd(width + 1) : width - rnd(5));
	for (i = 0; i < c.bits; i++)
		c.ip[i / 8] |= a.ip[i / 8] & (0x80 >> i % 8);
	return (c);
}

static void
random_destination(struct rule_destination *d)
{
	char host[16];

	d->kind = rnd(4);
	if (d->kind == RULE_DESTINATION_NETWORK) {
		d->network = random_block();
	} else if (d->kind != RULE_DESTINATION_ANY) {
		strcpy(d->name, random_host(host));
		d->name_len = (uint16_t)strlen(d->name);
	}
	d->port_low = 1;
	d->port_high = 65535;
	if (rnd(4) == 0)
		return;
	d->port_low = (uint16_t)(1 + rnd(6));
	d->port_high = (uint16_t)(d->port_low + (rnd(2) ? 0 : rnd(4)));
}

/* Patterns and identities over so few words that they meet often. */
static const char *const patterns[] = { "spiffe://a/b", "spiffe://a/b/c",
	"spiffe://a/c", "spiffe://a/*", "spiffe://a/b/*", "spiffe://a/*/c",
	"spiffe://a/*/*", "spiffe://a/*/c/*", "spiffe://b/b", "spiffe://b/*",
	"a.bb", "bb", "*.bb", "*.a.bb", "a.a.bb" };
#define PATTERNS (sizeof(patterns) / sizeof(patterns[0]))

#define SPIFFE(text)                                    \
	{                                               \
		IDENTITY_SPIFFE, text, sizeof(text) - 1 \
	}
#define DNS(text)                                    \
	{                                            \
		IDENTITY_DNS, text, sizeof(text) - 1 \
	}
static const struct identity identities[] = { SPIFFE("spiffe://a/b"),
	SPIFFE("spiffe://a/b/c"), SPIFFE("spiffe://a"), SPIFFE("spiffe://a/c"),
	SPIFFE("spiffe://a/c/c"), SPIFFE("spiffe://a/b/c/d"),
	SPIFFE("spiffe://a/d/c/d/e"), SPIFFE("spiffe://b/b"),
	SPIFFE("spiffe://c/b"), SPIFFE("spiffe://a/"), SPIFFE("spiffe://a/b/"),
	SPIFFE("spiffe://a//c"), SPIFFE("spiffe://a/../c"), SPIFFE("a.bb"),
	SPIFFE(""), SPIFFE("spiffe://"), SPIFFE("spiffe://a/*"), DNS("a.bb"),
	DNS("A.BB."), DNS("bb"), DNS("a.a.bb"), DNS("bb.a.bb"), DNS("*.bb"),
	DNS("spiffe://a/b"), DNS(".bb"), DNS("") };
#define IDENTITIES (sizeof(identities) / sizeof(identities[0]))

static void
random_client(struct rule *r)
{
	if (rnd(2)) {
		add_client(r, patterns[rnd(PATTERNS)]);
		return;
	}
	r->clients[r->nclients++].network = random_block();
}

static void
random_rules(struct rules *rs)
{
	static const unsigned clients[] = { 0, 1, 3, 17, CLIENTS_MAX };
	unsigned n;
	struct rule *r;
	size_t i;

	rules_init(rs);
	rs->n = 1 + rnd(RULES_MAX);
	for (r = rs->rules; r < rs->rules + rs->n; r++) {
		r->ndestinations = 1 + rnd(DESTS_MAX);
		for (i = 0; i < r->ndestinations; i++)
			random_destination(&r->destinations[i]);
		for (n = clients[rnd(5)]; n > 0; n--)
			random_client(r);
	}
}

/* The identities of a certificate: some in a row, or none; or no certificate
 * yet. */
static unsigned
compare_question(
    struct rules *rs, const struct policy *p, struct policy_question *q)
{
	unsigned first = rnd(IDENTITIES), wrong = 0, i;
	struct policy_answer got, want;

	for (i = 0; i < 3; i++) {
		q->identities_known = i > 0;
		q->identities = identities + first;
		q->nidentities = i == 1 ? 0 : 1 + rnd(IDENTITIES - first);
		got = policy_decide(p, q);
		want = naive_decide(rs, q);
		wrong += got.rule != want.rule || got.wait != want.wait;
		if (got.rule != NULL) {
			rs->decided[got.rule - rs->rules] = true;
			wrong += rs->never[got.rule - rs->rules];
		}
	}
	return (wrong);
}

static unsigned
compare_target(struct rules *rs, const struct policy *p, struct target *t)
{
	static const uint16_t ports[] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10,
		65535 };
	unsigned i, j, wrong = 0;
	struct policy_question q = { .target = t };
	struct addr client;

	q.client = &client;
	for (i = 0; i < sizeof(ports) / sizeof(ports[0]); i++) {
		t->port = ports[i];
		for (j = 0; j < 16; j++) {
			client = small_address(j);
			client.port = (uint16_t)(j * 7);
			wrong += compare_question(rs, p, &q);
		}
	}
	return (wrong);
}

/* All names of up to four of two labels, and one that no rule has. */
static unsigned
compare_names(struct rules *rs, const struct policy *p)
{
	unsigned depth, bits, i, wrong = 0;
	struct target t;
	char host[32];

	for (depth = 1; depth <= 4; depth++) {
		for (bits = 0; bits < 1U << depth; bits++) {
			host[0] = '\0';
			for (i = 0; i < depth; i++) {
				strcat(host, bits >> i & 1 ? "a" : "bb");
				strcat(host, i + 1 < depth ? "." : "");
			}
			t = name_target(host, 0);
			wrong += compare_target(rs, p, &t);
		}
	}
	t = name_target("c.a.bb", 0);
	return (wrong + compare_target(rs, p, &t));
}

static unsigned
compare_addresses(struct rules *rs, const struct policy *p)
{
	unsigned i, wrong = 0;
	struct target t;

	for (i = 0; i < 16; i++) {
		t = name_target("10.0.0.1", 0);
		t.addr = small_address(i);
		wrong += compare_target(rs, p, &t);
	}
	return (wrong);
}

/* Which of them can never decide? Returns how many. */
static unsigned
find_shadowed(struct rules *rs, const struct policy *p)
{
	size_t i, work = 10000000;
	const struct rule *by;
	unsigned n = 0;

	for (i = 0; i < rs->n; i++) {
		by = NULL;
		rs->decided[i] = false;
		rs->never[i] = policy_shadowed(p, rs->rules, i, &work, &by);
		if (rs->never[i] && by >= &rs->rules[i])
			abort();
		n += rs->never[i];
	}
	return (n);
}

/* Every question over a small alphabet, for many random sets of rules. */
static void
test_reference(void)
{
	static struct rules rs;
	/* So many take minutes under valgrind. */
	unsigned sets = getenv("SNIPORT_VALGRIND") != NULL ? SETS / 10 : SETS;
	unsigned i, failed = 0, names = 0, addresses = 0, never = 0;
	unsigned idle = 0;
	struct policy *p;
	size_t j;

	for (i = 0; i < sets; i++) {
		random_rules(&rs);
		p = NULL;
		if (compile(&p, &rs) != 0) {
			failed++;
			continue;
		}
		never += find_shadowed(&rs, p);
		names += compare_names(&rs, p);
		addresses += compare_addresses(&rs, p);
		for (j = 0; j < rs.n; j++)
			idle += !rs.decided[j];
		policy_free(p);
	}
	is_int(failed, 0, "all random sets of rules compile");
	is_int(names, 0, "names: as the plain definition has it");
	is_int(addresses, 0, "addresses: as the plain definition has it");
	/* What has decided nothing here may still decide elsewhere. */
	ok(never > 0 && never <= idle,
	    "%u rules can never decide, and none of them did; %u did not",
	    never, idle);
}

/* A hostile name of many labels finds its suffix and nothing else. */
static void
test_deep(void)
{
	static struct rules rs;
	struct policy *p = NULL;
	char host[HOSTNAME_SIZE];
	unsigned i;

	for (i = 0; i < HOSTNAME_MAX; i++)
		host[i] = i % 2 ? '.' : 'a';
	host[HOSTNAME_MAX] = '\0';
	rules_init(&rs);
	add_rule(&rs, RULE_DESTINATION_SUFFIX, host, 1, 65535, NULL);
	add_rule(&rs, RULE_DESTINATION_SUFFIX, host + 2, 5, 65535, NULL);
	add_rule(&rs, RULE_DESTINATION_SUFFIX, "a", 1, 3, NULL);
	if (!ok(compile(&p, &rs) == 0, "compiles"))
		return;
	is_int(decide(&rs, p, name_target(host, 5), "192.0.2.1"), 1,
	    "127 labels below 126");
	is_int(decide(&rs, p, name_target(host, 3), "192.0.2.1"), 2,
	    "127 labels below one");
	is_int(decide(&rs, p, name_target(host, 4), "192.0.2.1"), -1,
	    "127 labels are not below themselves");
	policy_free(p);
}

/* Long client lists: joined ranges have no holes and no surplus. */
static void
test_long_list(void)
{
	static struct rules rs;
	struct policy *p = NULL;
	struct rule *r;
	char text[32];
	unsigned i;

	rules_init(&rs);
	r = add_rule(&rs, RULE_DESTINATION_ANY, NULL, 1, 65535, NULL);
	for (i = 0; i < 20; i++) {
		snprintf(text, sizeof(text), "10.0.%u.0/24", 40 - 2 * i);
		add_client(r, text);
	}
	add_client(r, "10.0.2.0/23");
	add_client(r, "2001:db8::/33");
	add_client(r, "2001:db8:8000::/33");
	if (!ok(compile(&p, &rs) == 0, "compiles"))
		return;
#define D(c) decide(&rs, p, name_target("a", 1), c)
	is_int(D("10.0.40.255"), 0, "the first block, its last address");
	is_int(D("10.0.41.0"), -1, "between blocks");
	is_int(D("10.0.3.255"), 0, "a block that holds another");
	is_int(D("10.0.1.255"), -1, "below all");
	is_int(D("255.255.255.255"), -1, "beyond all of IPv4");
	is_int(D("2001:db8:7fff:ffff:ffff:ffff:ffff:ffff"), 0, "IPv6, first");
	is_int(D("2001:db8:8000::"), 0, "IPv6, second");
	is_int(D("2001:db9::"), -1, "IPv6, beyond");
	is_int(D("a00:2800::"), -1, "IPv6 with the bytes of an IPv4 block");
#undef D
	policy_free(p);
}

/* The index of the rule that decides for one more identity, or -1. */
static int
decide_named(const struct rules *rs, const struct policy *p, const char *host,
    struct identity id)
{
	const struct target t = name_target(host, 443);
	const struct addr a = address_of("10.0.0.1", 1234);
	const struct policy_question q = { .target = &t,
		.client = &a,
		.identities = &id,
		.nidentities = 1,
		.identities_known = true };
	const struct rule *r = policy_decide(p, &q).rule;

	return (r == NULL ? -1 : (int)(r - rs->rules));
}

static struct identity
spiffe(const char *text, size_t len)
{
	return ((struct identity){ IDENTITY_SPIFFE, text, len });
}

/* As deep and as long as identities and patterns can be. */
static void
test_long_identities(void)
{
	static struct rules rs;
	char id[IDENTITY_SPIFFE_MAX], pattern[IDENTITY_PATTERN_TEXT_SIZE];
	const size_t star = (IDENTITY_PATTERN_MAX - 1) / 2 * 2;
	struct policy *p = NULL;
	size_t i;

	memcpy(id, "spiffe://a", 10);
	for (i = 10; i < sizeof(id); i++)
		id[i] = i % 2 ? 'a' : '/';
	memcpy(pattern, id, star);
	rules_init(&rs);
	strcpy(pattern + star - 1, "*");
	add_rule(&rs, RULE_DESTINATION_NAME, "a", 443, 443, pattern);
	strcpy(pattern + star - 1, "a");
	add_rule(&rs, RULE_DESTINATION_NAME, "b", 443, 443, pattern);
	if (!ok(compile(&p, &rs) == 0, "compiles"))
		return;
	is_int(decide_named(&rs, p, "a", spiffe(id, sizeof(id))), 0,
	    "the longest identity below the longest prefix");
	is_int(decide_named(&rs, p, "a", spiffe(id, star)), 0,
	    "the shortest one below it");
	is_int(decide_named(&rs, p, "a", spiffe(id, star - 2)), -1,
	    "one segment less");
	is_int(decide_named(&rs, p, "b", spiffe(id, star)), 1,
	    "the longest identity that is named whole");
	is_int(decide_named(&rs, p, "b", spiffe(id, star + 2)), -1,
	    "one segment more");
	policy_free(p);
}

/* The order of the file decides between identities, too. */
static void
test_identity_order(void)
{
	static struct rules rs;
	const struct target t = name_target("a.test", 443);
	const struct addr a = address_of("10.0.0.1", 1);
	const struct identity names[] = {
		{ IDENTITY_SPIFFE, "spiffe://cluster.local/ns/other", 31 },
		{ IDENTITY_DNS, "client.example.com", 18 },
		{ IDENTITY_SPIFFE, "spiffe://cluster.local/ns/billing/sa/web",
		    40 },
	};
	struct policy_question q = { .target = &t, .client = &a };
	struct policy *p = NULL;

	rules_init(&rs);
	add_rule(&rs, RULE_DESTINATION_SUFFIX, "test", 443, 443,
	    "spiffe://cluster.local/ns/billing/*");
	add_rule(&rs, RULE_DESTINATION_NAME, "a.test", 443, 443,
	    "spiffe://cluster.local/ns/billing/sa/web");
	add_rule(&rs, RULE_DESTINATION_ANY, NULL, 443, 443, NULL);
	add_rule(
	    &rs, RULE_DESTINATION_ANY, NULL, 443, 443, "client.example.com");
	if (!ok(compile(&p, &rs) == 0, "compiles"))
		return;
	is_int(policy_decide(p, &q).rule - rs.rules, 2, "by address alone");
	ok(policy_decide(p, &q).wait, "an identity might decide before");
	is_int(decide_named(&rs, p, "a.test",
		   (struct identity){ IDENTITY_SPIFFE,
		       "spiffe://cluster.local/ns/billing/sa/web", 40 }),
	    0, "a wildcard before the whole identity wins");
	is_int(decide_named(&rs, p, "a.test",
		   (struct identity){ IDENTITY_DNS, "client.example.com", 18 }),
	    2, "a rule for all before the identity's wins");
	q.identities_known = true;
	ok(!policy_decide(p, &q).wait, "nobody waits for what is known");
	ok(policy_decide(p, &q).identity == NULL,
	    "no identity decided where there is none");
	q.identities = names;
	q.nidentities = 3;
	ok(policy_decide(p, &q).identity == &names[2],
	    "the identity that the rule names is told, of several");
	q.nidentities = 2;
	ok(policy_decide(p, &q).identity == NULL,
	    "no identity is told where the rule names all clients");
	q.nidentities = 0;
	policy_free(p);
	policy_new(&p, rs.rules + 2, 2);
	q.identities_known = false;
	ok(!policy_decide(p, &q).wait,
	    "no identity decides before a rule for all");
	policy_free(p);
}

int
main(void)
{
	test_empty();
	test_kinds();
	test_spellings();
	test_order();
	test_deep();
	test_long_list();
	test_long_identities();
	test_identity_order();
	test_reference();
	return (done_testing());
}
