/*
 * A set of rules and questions from the input: the tables must decide as the
 * plain definition of a match does.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/policy/policy.h"
#include "common/policy/shadow.h"
#include "t/fuzz/input.h"

#define RULES_MAX   24
#define CLIENTS_MAX 20

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* One of so many. */
static unsigned
choose(struct input *in, unsigned n)
{
	return (take(in) % n);
}

static uint16_t
take_port(struct input *in)
{
	static const uint16_t ports[] = { 1, 2, 3, 4, 443, 65534, 65535 };

	return (ports[choose(in, 7)]);
}

static uint16_t
take_name(struct input *in, char name[HOSTNAME_SIZE])
{
	static const char *const labels[] = { "a", "b", "ab", "b-a" };
	unsigned n = 1 + choose(in, 5);

	name[0] = '\0';
	while (n-- > 0) {
		strcat(name, labels[choose(in, 4)]);
		if (n > 0)
			strcat(name, ".");
	}
	return ((uint16_t)strlen(name));
}

static struct addr
take_addr(struct input *in)
{
	static const uint8_t nat64[4] = { 0x00, 0x64, 0xff, 0x9b };
	unsigned kind = choose(in, 3);
	struct addr a;

	memset(&a, 0, sizeof(a));
	a.family = kind > 0 ? AF_INET6 : AF_INET;
	a.ip[kind < 2 ? 0 : 12] = (uint8_t)choose(in, 256);
	if (kind == 2)
		memcpy(a.ip, nat64, sizeof(nat64));
	a.ip[a.family == AF_INET ? 3 : 15] = (uint8_t)choose(in, 256);
	return (a);
}

static struct cidr
take_block(struct input *in)
{
	struct addr a = take_addr(in);
	unsigned i, width = a.family == AF_INET ? 32 : 128;
	struct cidr c;

	memset(&c, 0, sizeof(c));
	c.family = a.family;
	c.bits = (uint16_t)choose(in, width + 1);
	for (i = 0; i < c.bits; i++)
		c.ip[i / 8] |= a.ip[i / 8] & (0x80 >> i % 8);
	return (c);
}

/* Identities and patterns that meet, and none: cut out of few texts. */
static struct identity
take_identity(struct input *in)
{
	static const char *const texts[] = { "spiffe://a/b/a/b-a//b/a",
		"spiffe://b/a/a/a", "a.b.ab.b-a", "A.ab.a.b.", "*.a.b",
		"spiffe://a/*/b" };
	const char *text = texts[choose(in, 6)];

	return ((struct identity){
	    .kind = choose(in, 2) ? IDENTITY_SPIFFE : IDENTITY_DNS,
	    .text = text,
	    .len = choose(in, (unsigned)strlen(text) + 1) });
}

static void
take_client(struct input *in, struct rule_client *c)
{
	static const char *const texts[] = { "spiffe://a/b/a/b-a/*",
		"spiffe://a/*/a/*", "spiffe://b/*/*", "a.b.ab.b-a", "*.b.ab" };
	struct identity_pattern p;
	const char *text, *why;
	size_t len;

	c->kind = RULE_CLIENT_NETWORK;
	if (choose(in, 2)) {
		c->network = take_block(in);
		return;
	}
	text = texts[choose(in, 5)];
	len = choose(in, (unsigned)strlen(text) + 1);
	if (identity_pattern_parse(&p, text, len, &why) != 0 &&
	    identity_pattern_parse(&p, text, strlen(text), &why) != 0)
		abort();
	c->identity = malloc(sizeof(p));
	if (c->identity == NULL)
		abort();
	*c->identity = p;
	c->kind = RULE_CLIENT_IDENTITY;
}

static void
take_rule(struct input *in, struct rule *r)
{
	struct rule_destination *d = r->destinations;
	size_t i;

	r->ndestinations = 1;
	d->kind = choose(in, 4);
	if (d->kind == RULE_DESTINATION_NETWORK)
		d->network = take_block(in);
	else if (d->kind != RULE_DESTINATION_ANY)
		d->name_len = take_name(in, d->name);
	d->port_low = take_port(in);
	d->port_high = take_port(in);
	if (d->port_high < d->port_low)
		d->port_high = d->port_low;
	r->nclients = choose(in, 4);
	if (r->nclients == 3)
		r->nclients = CLIENTS_MAX;
	for (i = 0; i < r->nclients; i++)
		take_client(in, &r->clients[i]);
}

/* One bit after the other, of the address or of what NAT64 carries. */
static bool
naive_block(const struct cidr *c, const struct addr *a)
{
	static const uint8_t nat64[12] = { 0x00, 0x64, 0xff, 0x9b };
	const uint8_t *ip = a->ip;
	unsigned i;

	if (c->family == AF_INET && a->family == AF_INET6 &&
	    memcmp(a->ip, nat64, sizeof(nat64)) == 0)
		ip += sizeof(nat64);
	else if (c->family != a->family)
		return (false);
	for (i = 0; i < c->bits; i++)
		if (((c->ip[i / 8] ^ ip[i / 8]) & 0x80 >> i % 8) != 0)
			return (false);
	return (true);
}

static bool
naive_target(const struct rule *r, const struct target *t)
{
	const struct rule_destination *d = r->destinations;
	size_t len = t->host_len, n = d->name_len;

	if (t->port < d->port_low || t->port > d->port_high)
		return (false);
	if (d->kind == RULE_DESTINATION_NETWORK || t->addr.family != 0)
		return (d->kind == RULE_DESTINATION_NETWORK &&
			t->addr.family != 0 &&
			naive_block(&d->network, &t->addr));
	if (d->kind == RULE_DESTINATION_NAME)
		return (strcmp(d->name, t->host) == 0);
	if (d->kind == RULE_DESTINATION_SUFFIX)
		return (len > n + 1 && t->host[len - n - 1] == '.' &&
			strcmp(t->host + len - n, d->name) == 0);
	return (true);
}

static bool
naive_client(const struct rule *r, const struct policy_question *q)
{
	const struct rule_client *c;
	size_t i;

	for (c = r->clients; c < r->clients + r->nclients; c++) {
		if (c->kind == RULE_CLIENT_NETWORK &&
		    naive_block(&c->network, q->client))
			return (true);
		if (c->kind == RULE_CLIENT_NETWORK || !q->identities_known)
			continue;
		for (i = 0; i < q->nidentities; i++)
			if (identity_match(c->identity, &q->identities[i]))
				return (true);
	}
	return (r->nclients == 0);
}

static bool
naive_names(const struct rule *r)
{
	size_t i;

	for (i = 0; i < r->nclients; i++)
		if (r->clients[i].kind == RULE_CLIENT_IDENTITY)
			return (true);
	return (false);
}

static void
ask(struct input *in, const struct policy *p, const struct rule *rules,
    size_t n, const bool *never)
{
	struct addr client = take_addr(in);
	struct identity identities[3];
	struct policy_answer got, want = { 0 };
	struct target t;
	const struct policy_question q = { .target = &t,
		.client = &client,
		.identities = identities,
		.nidentities = choose(in, 4),
		.identities_known = choose(in, 4) > 0 };
	size_t i;

	for (i = 0; i < q.nidentities; i++)
		identities[i] = take_identity(in);

	memset(&t, 0, sizeof(t));
	t.port = take_port(in);
	if (choose(in, 2))
		t.addr = take_addr(in);
	t.host_len = take_name(in, t.host);
	for (i = 0; i < n && want.rule == NULL; i++) {
		if (!naive_target(&rules[i], &t))
			continue;
		if (naive_client(&rules[i], &q))
			want.rule = &rules[i];
		else
			want.wait |=
			    !q.identities_known && naive_names(&rules[i]);
	}
	got = policy_decide(p, &q);
	if (got.rule != want.rule || got.wait != want.wait)
		abort();
	if (got.rule != NULL && never[got.rule - rules])
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct rule_destination dests[RULES_MAX];
	static struct rule_client clients[RULES_MAX][CLIENTS_MAX];
	struct rule rules[RULES_MAX];
	struct input in = { data, size };
	struct policy *p = NULL;
	size_t i, j, n = choose(&in, RULES_MAX + 1), work = 100000;
	bool never[RULES_MAX];
	const struct rule *by;

	memset(rules, 0, sizeof(rules));
	memset(dests, 0, sizeof(dests));
	for (i = 0; i < n; i++) {
		rules[i].destinations = &dests[i];
		rules[i].clients = clients[i];
		take_rule(&in, &rules[i]);
	}
	if (policy_new(&p, rules, n) != 0)
		abort();
	for (i = 0; i < n; i++)
		never[i] = policy_shadowed(p, rules, i, &work, &by);
	do {
		ask(&in, p, rules, n, never);
	} while (in.left > 0);
	policy_free(p);
	for (i = 0; i < n; i++)
		for (j = 0; j < rules[i].nclients; j++)
			if (clients[i][j].kind == RULE_CLIENT_IDENTITY)
				free(clients[i][j].identity);
	return (0);
}
