/*
 * Decides: looks a target and a client up in the compiled tables and returns
 * the first rule that matches.
 */
#include "common/policy/policy.h"

#include <stdbool.h>
#include <string.h>

#include "common/policy/table.h"

/* Rules that a search may find: those for the client's address, those for one
 * of its identities, or all that name identities. */
enum by {
	BY_ADDRESS,
	BY_IDENTITY,
	BY_ANY_IDENTITY
};

struct question {
	const struct policy *policy;
	const struct target *target;
	struct addr clients[ADDR_FORMS_MAX]; /* forms of the client's address */
	unsigned nclients;
	uint16_t port;
	enum by by;
	const struct policy_identity *identity; /* BY_IDENTITY only */
};

/* The blocks around an address, longest prefix in use first. */
struct walk {
	const uint64_t *words;
	unsigned word; /* words not looked at */
	uint64_t left;
	struct cidr cidr;
};

static void
walk_init(struct walk *w, const struct policy_lengths *l, const struct addr *a)
{
	w->words = a->family == AF_INET ? l->ipv4 : l->ipv6;
	w->word = a->family == AF_INET ? 1 : a->family == AF_INET6 ? 3 : 0;
	w->left = 0;
	w->cidr.family = a->family;
	memcpy(w->cidr.ip, a->ip, sizeof(w->cidr.ip));
}

static bool
walk_next(struct walk *w)
{
	unsigned bit, bytes;

	while (w->left == 0) {
		if (w->word == 0)
			return (false);
		w->left = w->words[--w->word];
	}
	bit = 63 - (unsigned)__builtin_clzll(w->left);
	w->left &= ~(UINT64_C(1) << bit);
	w->cidr.bits = (uint16_t)(w->word * 64 + bit);
	bytes = w->cidr.bits / 8;
	if (bytes < sizeof(w->cidr.ip)) {
		w->cidr.ip[bytes] &= (uint8_t) ~(0xff >> w->cidr.bits % 8);
		memset(
		    w->cidr.ip + bytes + 1, 0, sizeof(w->cidr.ip) - bytes - 1);
	}
	return (true);
}

/*
 * Searching: "best" is the lowest rule found so far.
 */

/* The spans of one node. */
static uint32_t
search_spans(
    const struct question *q, const struct policy_node *n, uint32_t best)
{
	const struct policy_span *s = &n->only;
	uint32_t from = 0, to = n->nspans, mid;

	if (n->nspans > 1)
		s = q->policy->spans + n->span;
	while (from < to) { /* the first that does not end below the port */
		mid = from + (to - from) / 2;
		if (s[mid].high < q->port)
			from = mid + 1;
		else
			to = mid;
	}
	if (from < n->nspans && s[from].low <= q->port && s[from].rule < best)
		return (s[from].rule);
	return (best);
}

/* The nodes of clients within one destination. */
static uint32_t
search_clients(const struct question *q, uint32_t dest,
    const struct addr *client, uint32_t best)
{
	const struct policy *p = q->policy;
	struct walk w;
	const struct policy_key k = { RULE_DESTINATION_NETWORK, dest + 1,
		sizeof(w.cidr), &w.cidr };
	uint32_t cell;

	walk_init(&w, &p->nodes[dest].clients, client);
	while (walk_next(&w)) {
		cell = policy_find(p, &k);
		if (cell != POLICY_NOTHING && p->nodes[cell].first < best)
			best = search_spans(q, &p->nodes[cell], best);
	}
	return (best);
}

static bool
depth_used(const uint64_t *depths, unsigned depth)
{
	return ((depths[depth / 64] >> depth % 64 & 1) != 0);
}

/* The patterns of one node. */
static uint32_t
search_patterns(
    const struct question *q, const struct policy_key *k, uint32_t best)
{
	const struct policy *p = q->policy;
	uint32_t i, cell = policy_find(p, k);
	const struct policy_pattern *pattern;
	const struct policy_node *n;
	const struct policy_span *s;

	if (cell == POLICY_NOTHING)
		return (best);
	n = &p->nodes[cell];
	s = p->rest + n->rest;
	for (i = 0; i < n->nrest; i++) {
		pattern = &p->patterns[s[i].rule];
		if (pattern->rule >= best)
			break;
		if (s[i].low <= q->port && q->port <= s[i].high &&
		    identity_match(pattern->pattern, q->identity->whole))
			return (pattern->rule);
	}
	return (best);
}

static uint32_t
search_prefixes(const struct question *q, uint32_t owner, uint32_t best)
{
	const char *s = q->identity->text, *end = s + q->identity->len;
	struct policy_key k = { POLICY_SPIFFE_PREFIX, owner, 0, s };
	const char *at = s + strlen("spiffe://");
	unsigned depth;

	for (depth = 1; depth < POLICY_PREFIX_DEPTHS; depth++) {
		at = memchr(at, '/', (size_t)(end - at));
		if (at == NULL)
			break;
		k.len = (size_t)(++at - s);
		if (depth_used(q->policy->spiffe_depth, depth))
			best = search_patterns(q, &k, best);
	}
	return (best);
}

static uint32_t
search_suffixes(const struct question *q, uint32_t owner, uint32_t best)
{
	const char *s = q->identity->text, *end = s + q->identity->len;
	struct policy_key k = { POLICY_DNS_SUFFIX, owner, 0, NULL };
	unsigned depth = policy_count_labels(s, q->identity->len);

	while (--depth > 0) {
		s = (const char *)memchr(s, '.', (size_t)(end - s)) + 1;
		k.bytes = s;
		k.len = (size_t)(end - s);
		if (depth_used(q->policy->dns_depth, depth))
			best = search_patterns(q, &k, best);
	}
	return (best);
}

/* The identities within one destination or set. */
static uint32_t
search_identities(const struct question *q, uint32_t owner, uint32_t best)
{
	const struct policy *p = q->policy;
	bool spiffe = q->identity->whole->kind == IDENTITY_SPIFFE;
	const struct policy_key k = { spiffe ? POLICY_SPIFFE : POLICY_DNS,
		owner, q->identity->len, q->identity->text };
	uint32_t cell = policy_find(p, &k);

	if (cell != POLICY_NOTHING && p->nodes[cell].first < best)
		best = search_spans(q, &p->nodes[cell], best);
	if (spiffe)
		return (search_prefixes(q, owner, best));
	return (search_suffixes(q, owner, best));
}

/* Is the client in the set of a rule? */
static bool
set_has(const struct question *q, uint32_t rule)
{
	const struct policy_client_set *set = &q->policy->sets[rule];
	unsigned i;

	if (q->by != BY_ADDRESS)
		return (set->owner != 0 &&
			search_identities(q, set->owner, POLICY_NOTHING) !=
			    POLICY_NOTHING);
	for (i = 0; i < q->nclients; i++)
		if (addr_ranges_contain(q->policy->ranges + set->range,
			set->nranges, &q->clients[i]))
			return (true);
	return (false);
}

static uint32_t
search_rest(
    const struct question *q, const struct policy_node *n, uint32_t best)
{
	const struct policy_span *s = q->policy->rest + n->rest;
	uint32_t i;

	for (i = 0; i < n->nrest && s[i].rule < best; i++)
		if (s[i].low <= q->port && q->port <= s[i].high &&
		    set_has(q, s[i].rule))
			return (s[i].rule);
	return (best);
}

/* A destination, for clients by their identity. */
static uint32_t
search_named(const struct question *q, uint32_t dest, uint32_t best)
{
	const struct policy_node *n = &q->policy->nodes[dest];

	if (n->named == 0)
		return (best);
	if (q->by == BY_ANY_IDENTITY)
		return (search_spans(q, &q->policy->nodes[n->named], best));
	best = search_identities(q, dest + 1, best);
	return (search_rest(q, n, best));
}

static uint32_t
search(const struct question *q, uint32_t dest, uint32_t best)
{
	const struct policy_node *n;
	unsigned i;

	if (dest == POLICY_NOTHING)
		return (best);
	n = &q->policy->nodes[dest];
	if (n->first >= best)
		return (best);
	if (q->by != BY_ADDRESS)
		return (search_named(q, dest, best));
	best = search_spans(q, n, best);
	for (i = 0; i < q->nclients; i++)
		best = search_clients(q, dest, &q->clients[i], best);
	return (n->nrest > 0 ? search_rest(q, n, best) : best);
}

static uint32_t
search_name(const struct question *q, uint32_t best)
{
	const struct target *t = q->target;
	const struct policy *p = q->policy;
	const char *end = t->host + t->host_len, *s = t->host;
	struct policy_key k = { RULE_DESTINATION_NAME, 0, t->host_len, s };
	unsigned depth = policy_count_labels(s, t->host_len);

	best = search(q, policy_find(p, &k), best);
	k.kind = RULE_DESTINATION_SUFFIX;
	while (--depth > 0) {
		s = (const char *)memchr(s, '.', (size_t)(end - s)) + 1;
		if (!depth_used(p->suffix_depth, depth % 128))
			continue;
		k.bytes = s;
		k.len = (size_t)(end - s);
		best = search(q, policy_find(p, &k), best);
	}
	return (search(q, p->any, best));
}

static uint32_t
search_addr(const struct question *q, uint32_t best)
{
	struct walk w;
	const struct policy_key k = { RULE_DESTINATION_NETWORK, 0,
		sizeof(w.cidr), &w.cidr };
	struct addr forms[ADDR_FORMS_MAX];
	unsigned i, n = addr_forms(&q->target->addr, forms);

	for (i = 0; i < n; i++) {
		walk_init(&w, &q->policy->networks, &forms[i]);
		while (walk_next(&w))
			best = search(q, policy_find(q->policy, &k), best);
	}
	return (best);
}

static uint32_t
search_target(const struct question *q, uint32_t best)
{
	if (q->target->addr.family == 0)
		return (search_name(q, best));
	return (search_addr(q, best));
}

/* Apart from policy_decide(), whose frame stays small without this. */
static uint32_t __attribute__((noinline))
decide_by_identity(const struct policy *p, const struct policy_question *asked,
    uint32_t best, const struct identity **matched)
{
	struct policy_identity identity;
	const struct question q = { .policy = p,
		.target = asked->target,
		.port = asked->target->port,
		.by = BY_IDENTITY,
		.identity = &identity };
	uint32_t found;
	size_t i;

	for (i = 0; i < asked->nidentities; i++) {
		if (!policy_identity_init(&identity, &asked->identities[i]))
			continue;
		found = search_target(&q, best);
		if (found != best)
			*matched = &asked->identities[i];
		best = found;
	}
	return (best);
}

struct policy_answer
policy_decide(const struct policy *p, const struct policy_question *asked)
{
	struct question q = { .policy = p,
		.target = asked->target,
		.port = asked->target->port,
		.by = BY_ADDRESS };
	struct policy_answer answer = { .rule = NULL };
	uint32_t best;

	q.nclients = addr_forms(asked->client, q.clients);
	best = search_target(&q, POLICY_NOTHING);
	if (p->identities && asked->identities_known) {
		best = decide_by_identity(p, asked, best, &answer.identity);
	} else if (p->identities) {
		q.by = BY_ANY_IDENTITY;
		answer.wait = search_target(&q, best) < best;
	}
	if (best != POLICY_NOTHING)
		answer.rule = &p->rules[best];
	return (answer);
}
