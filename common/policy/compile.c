/*
 * Compiles rules to the tables of a policy: first measures them, then allocates
 * once, then enters each rule.
 */
#include "common/policy/table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/pause.h"

#define CLIENTS_MAX 16

/* How much a set of rules comes to at most. */
struct extent {
	size_t nodes, direct, rest, ranges, patterns, names;
};

struct build {
	struct policy *policy;
	struct pause *pause;
	struct policy_entries direct, rest;
	uint32_t nranges;
	size_t names; /* bytes */
};

static size_t
count_identities(const struct rule *r)
{
	size_t i, n = 0;

	for (i = 0; i < r->nclients; i++)
		n += r->clients[i].kind == RULE_CLIENT_IDENTITY;
	return (n);
}

static void
measure_rule(struct extent *x, const struct rule *r)
{
	size_t identities = count_identities(r), times = r->ndestinations, i;

	for (i = 0; i < r->ndestinations; i++)
		x->names += r->destinations[i].name_len;
	x->nodes += r->ndestinations;
	if (r->nclients == 0)
		x->direct += r->ndestinations;
	if (identities > 0) { /* the ports of those destinations */
		x->nodes += r->ndestinations;
		x->direct += r->ndestinations;
	}
	if (r->nclients > CLIENTS_MAX) {
		times = 1;
		x->nodes++;
		x->rest += r->ndestinations;
		x->ranges += r->nclients - identities;
	}
	x->nodes += times * r->nclients;
	x->direct += times * r->nclients;
	x->rest += times * identities;
	x->patterns += times * identities;
}

static int
policy_alloc(struct policy *p, const struct extent *x, size_t nrules)
{
	size_t slots = 16;

	/* Indices are 32 bits wide, and one value means nothing. */
	if (nrules >= POLICY_NOTHING || x->nodes >= POLICY_NOTHING / 4 ||
	    x->direct >= POLICY_NOTHING / 4 || x->rest >= POLICY_NOTHING ||
	    x->ranges >= POLICY_NOTHING || x->patterns >= POLICY_NOTHING)
		return (-ENOMEM);
	while (slots < x->nodes * 2)
		slots *= 2;
	p->mask = slots - 1;
	p->slots = calloc(slots, sizeof(*p->slots));
	p->nodes = calloc(x->nodes + 1, sizeof(*p->nodes));
	p->spans = calloc(x->direct * 2 + 1, sizeof(*p->spans));
	p->rest = calloc(x->rest + 1, sizeof(*p->rest));
	p->ranges = calloc(x->ranges + 1, sizeof(*p->ranges));
	p->sets = calloc(nrules + 1, sizeof(*p->sets));
	p->patterns = calloc(x->patterns + 1, sizeof(*p->patterns));
	p->names = malloc(x->names + 1);
	if (p->slots == NULL || p->nodes == NULL || p->spans == NULL ||
	    p->rest == NULL || p->ranges == NULL || p->sets == NULL ||
	    p->patterns == NULL || p->names == NULL)
		return (-ENOMEM);
	return (0);
}

/*
 * Destinations and their clients
 */

static void
lengths_add(struct policy_lengths *l, const struct cidr *c)
{
	uint64_t *words = c->family == AF_INET ? l->ipv4 : l->ipv6;

	words[c->bits / 64] |= UINT64_C(1) << c->bits % 64;
}

/* The node of a destination; notes what a look-up has to try to find it. */
static uint32_t
add_node(struct build *b, const struct rule_destination *d, uint32_t rule)
{
	struct policy *p = b->policy;
	struct policy_key k = { d->kind, 0, d->name_len, d->name };
	uint32_t nnodes = p->nnodes, node;
	unsigned depth;

	if (d->kind == RULE_DESTINATION_ANY)
		k.len = 0;
	if (d->kind == RULE_DESTINATION_NETWORK) {
		k.len = sizeof(d->network);
		k.bytes = &d->network;
		lengths_add(&p->networks, &d->network);
	}
	if (d->kind == RULE_DESTINATION_SUFFIX) {
		depth = policy_count_labels(d->name, d->name_len);
		p->suffix_depth[depth / 64 % 2] |= UINT64_C(1) << depth % 64;
	}
	node = policy_add(p, &k, rule);
	/* A destination is ten times as large as most names, and not needed
	 * for anything else once the rules are tables. */
	if (p->nnodes > nnodes && d->kind != RULE_DESTINATION_NETWORK) {
		p->nodes[node].key.name =
		    memcpy(p->names + b->names, k.bytes, k.len);
		b->names += k.len;
	}
	return (node);
}

static void
entries_add(struct policy_entries *e, uint32_t node, struct policy_span span)
{
	e->list[e->n++] = (struct policy_entry){ node, span };
}

static void
add_network(struct build *b, uint32_t dest, const struct cidr *network,
    struct policy_span span)
{
	const struct policy_key k = { RULE_DESTINATION_NETWORK, dest + 1,
		sizeof(*network), network };

	lengths_add(&b->policy->nodes[dest].clients, network);
	entries_add(&b->direct, policy_add(b->policy, &k, span.rule), span);
}

static void
add_identity(struct build *b, uint32_t owner,
    const struct identity_pattern *pattern, struct policy_span span)
{
	struct policy *p = b->policy;
	struct policy_key k = { .owner = owner };
	unsigned depth;
	bool wildcard = policy_pattern_key(pattern, &k, &depth);
	uint64_t *depths =
	    k.kind == POLICY_DNS_SUFFIX ? p->dns_depth : p->spiffe_depth;
	uint32_t node = policy_add(p, &k, span.rule);

	p->identities = true;
	if (!wildcard) {
		entries_add(&b->direct, node, span);
		return;
	}
	depths[depth / 64] |= UINT64_C(1) << depth % 64;
	p->patterns[p->npatterns] =
	    (struct policy_pattern){ pattern, span.rule };
	span.rule = p->npatterns++;
	entries_add(&b->rest, node, span);
}

/* Some rule names identities for those ports of the destination. */
static void
add_named(struct build *b, uint32_t dest, struct policy_span span)
{
	struct policy_node *n = &b->policy->nodes[dest];

	if (n->named == 0)
		n->named = policy_add_hidden(b->policy, span.rule);
	entries_add(&b->direct, n->named, span);
}

static void
add_clients(struct build *b, uint32_t dest, struct policy_span span)
{
	const struct rule *r = &b->policy->rules[span.rule];
	const struct rule_client *c;

	for (c = r->clients; c < r->clients + r->nclients; c++) {
		if (c->kind == RULE_CLIENT_IDENTITY)
			add_identity(b, dest + 1, c->identity, span);
		else
			add_network(b, dest, &c->network, span);
	}
}

static void
add_destination(
    struct build *b, uint32_t rule, const struct rule_destination *d)
{
	const struct rule *r = &b->policy->rules[rule];
	struct policy_span span = { d->port_low, d->port_high, rule };
	uint32_t dest = add_node(b, d, rule);

	if (r->nclients == 0)
		entries_add(&b->direct, dest, span);
	else if (r->nclients > CLIENTS_MAX)
		entries_add(&b->rest, dest, span);
	else
		add_clients(b, dest, span);
	if (count_identities(r) > 0)
		add_named(b, dest, span);
}

/*
 * Client sets
 */

static void
add_client_set(struct build *b, uint32_t rule)
{
	struct policy *p = b->policy;
	const struct rule *r = &p->rules[rule];
	const struct policy_span span = { 0, UINT16_MAX, rule };
	struct policy_client_set *set = &p->sets[rule];
	struct addr_range *ranges = p->ranges + b->nranges;
	const struct rule_client *c;

	if (count_identities(r) > 0)
		set->owner = policy_add_hidden(p, rule) + 1;
	for (c = r->clients; c < r->clients + r->nclients; c++) {
		if (c->kind == RULE_CLIENT_IDENTITY)
			add_identity(b, set->owner, c->identity, span);
		else
			ranges[set->nranges++] = addr_range_of(&c->network);
	}
	set->range = b->nranges;
	set->nranges = (uint32_t)addr_ranges_merge(ranges, set->nranges);
	b->nranges += set->nranges;
}

/* 0 or as pause_step(). */
static int
add_rule(struct build *b, uint32_t rule)
{
	const struct rule *r = &b->policy->rules[rule];
	int error = 0;
	size_t i;

	if (r->nclients > CLIENTS_MAX)
		add_client_set(b, rule);
	for (i = 0; error == 0 && i < r->ndestinations; i++) {
		add_destination(b, rule, &r->destinations[i]);
		error = pause_step(b->pause);
	}
	return (error);
}

int
policy_new(struct policy **policy, const struct rule *rules, size_t n)
{
	return (policy_compile(policy, rules, n, NULL));
}

int
policy_compile(struct policy **policy, const struct rule *rules, size_t n,
    struct pause *pause)
{
	const struct policy_key any = { RULE_DESTINATION_ANY, 0, 0, "" };
	struct extent x = { 0 };
	struct build b = { .policy = calloc(1, sizeof(*b.policy)),
		.pause = pause };
	struct policy *p = b.policy;
	uint32_t i;
	int r = -ENOMEM;

	for (i = 0; i < n; i++)
		measure_rule(&x, &rules[i]);
	b.direct.list = calloc(x.direct + 1, sizeof(*b.direct.list));
	b.rest.list = calloc(x.rest + 1, sizeof(*b.rest.list));
	if (p == NULL || b.direct.list == NULL || b.rest.list == NULL)
		goto out;
	p->rules = rules;
	if ((r = hash_key_init(&p->hash)) < 0 ||
	    (r = policy_alloc(p, &x, n)) < 0)
		goto out;
	for (i = 0; i < n; i++)
		if ((r = add_rule(&b, i)) < 0)
			goto out;
	p->any = policy_find(p, &any);
	r = policy_fill(p, &b.direct, &b.rest);
out:
	free(b.direct.list);
	free(b.rest.list);
	if (r == 0)
		*policy = p;
	else
		policy_free(p);
	return (r);
}

void
policy_free(struct policy *p)
{
	if (p == NULL)
		return;
	free(p->slots);
	free(p->nodes);
	free(p->spans);
	free(p->rest);
	free(p->ranges);
	free(p->sets);
	free(p->patterns);
	free(p->names);
	free(p);
}
