/*
 * How long a policy takes to load and to ask, for rules as operators write
 * them and for shapes that punish a search rule by rule.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/policy/policy.h"

#define LOOKUPS 2000000

struct bench {
	struct rule *rules;
	struct rule_destination *dests;
	struct rule_client *clients;
	struct identity_pattern *patterns; /* of the shapes with identities */
	struct identity *names;		   /* of the client, there */
	char (*texts)[128];
	size_t n;
	struct target *targets; /* one per rule, which it decides */
	struct addr *from;
};

static uint64_t seed = 1;

static uint32_t
rnd(void)
{
	seed = seed * UINT64_C(6364136223846793005) +
	       UINT64_C(1442695040888963407);
	return ((uint32_t)(seed >> 33));
}

static void
put_ipv4(uint8_t *ip, uint32_t value)
{
	uint32_t net = htonl(value);

	memcpy(ip, &net, 4);
}

static void
bench_init(struct bench *b, size_t n)
{
	size_t i;

	memset(b, 0, sizeof(*b));
	b->n = n;
	b->rules = calloc(n, sizeof(*b->rules));
	b->dests = calloc(n, sizeof(*b->dests));
	b->clients = calloc(n, sizeof(*b->clients));
	b->targets = calloc(n, sizeof(*b->targets));
	b->from = calloc(n, sizeof(*b->from));
	if (b->rules == NULL || b->dests == NULL || b->clients == NULL ||
	    b->targets == NULL || b->from == NULL)
		abort();
	for (i = 0; i < n; i++) {
		b->rules[i].destinations = &b->dests[i];
		b->rules[i].ndestinations = 1;
		b->rules[i].clients = &b->clients[i];
		b->dests[i].port_low = b->dests[i].port_high = 443;
		b->targets[i].port = 443;
		b->from[i].family = AF_INET;
		put_ipv4(b->from[i].ip, 0x0a000000 + (uint32_t)i * 256 + 7);
	}
}

static void
bench_fini(struct bench *b)
{
	free(b->rules);
	free(b->dests);
	free(b->clients);
	free(b->patterns);
	free(b->names);
	free(b->texts);
	free(b->targets);
	free(b->from);
}

static void
set_name(struct bench *b, size_t i, enum rule_destination_kind kind,
    const char *name)
{
	struct rule_destination *d = &b->dests[i];
	struct target *t = &b->targets[i];

	d->kind = kind;
	snprintf(d->name, sizeof(d->name), "%s", name);
	d->name_len = (uint16_t)strlen(name);
	snprintf(t->host, sizeof(t->host), "%s%s",
	    kind == RULE_DESTINATION_NAME ? "" : "www.",
	    kind == RULE_DESTINATION_ANY ? "example.com" : name);
	t->host_len = (uint16_t)strlen(t->host);
}

static void
set_client(struct bench *b, size_t i)
{
	b->rules[i].nclients = 1;
	b->clients[i].network.family = AF_INET;
	b->clients[i].network.bits = 24;
	put_ipv4(b->clients[i].network.ip, 0x0a000000 + (uint32_t)i * 256);
}

/* Names, wildcards and networks; every other rule is for one client block. */
static void
shape_mixed(struct bench *b)
{
	char name[64];
	size_t i;

	for (i = 0; i < b->n; i++) {
		snprintf(name, sizeof(name), "host-%zu.team-%zu.example.com", i,
		    i % 500);
		if (i % 4 == 3) {
			b->dests[i].kind = RULE_DESTINATION_NETWORK;
			b->dests[i].network.family = AF_INET;
			b->dests[i].network.bits = i % 8 == 3 ? 32 : 28;
			put_ipv4(b->dests[i].network.ip,
			    0x40000000 + (uint32_t)i * 16);
			b->targets[i].addr.family = AF_INET;
			memcpy(
			    b->targets[i].addr.ip, b->dests[i].network.ip, 4);
		} else {
			set_name(b, i,
			    i % 4 == 2 ? RULE_DESTINATION_SUFFIX
				       : RULE_DESTINATION_NAME,
			    name);
		}
		if (i % 2)
			set_client(b, i);
	}
}

static void
shape_one_name(struct bench *b)
{
	size_t i;

	for (i = 0; i < b->n; i++) {
		set_name(b, i, RULE_DESTINATION_NAME, "db.example.com");
		set_client(b, i);
	}
}

static void
shape_any(struct bench *b)
{
	size_t i;

	for (i = 0; i < b->n; i++) {
		set_name(b, i, RULE_DESTINATION_ANY, "");
		set_client(b, i);
	}
}

static void
shape_ports(struct bench *b)
{
	uint16_t port;
	char name[64];
	size_t i;

	for (i = 0; i < b->n; i++) {
		snprintf(name, sizeof(name), "db-%zu.example.com", i / 50000);
		set_name(b, i, RULE_DESTINATION_NAME, name);
		port = (uint16_t)(1 + i % 50000);
		b->dests[i].port_low = b->dests[i].port_high = port;
		b->targets[i].port = port;
	}
}

/* One name, and another identity for each rule: itself, or all below. */
static void
name_clients(struct bench *b, const char *below)
{
	struct identity_pattern *p;
	const char *why;
	char text[128];
	size_t i;
	int len;

	b->patterns = calloc(b->n, sizeof(*b->patterns));
	b->names = calloc(b->n, sizeof(*b->names));
	b->texts = calloc(b->n, sizeof(*b->texts));
	if (b->patterns == NULL || b->names == NULL || b->texts == NULL)
		abort();
	for (i = 0; i < b->n; i++) {
		p = &b->patterns[i];
		len = snprintf(text, sizeof(text),
		    "spiffe://cluster.local/ns/team-%zu/sa%s", i, below);
		if (identity_pattern_parse(p, text, (size_t)len, &why) != 0)
			abort();
		set_name(b, i, RULE_DESTINATION_NAME, "db.example.com");
		b->rules[i].nclients = 1;
		b->clients[i].kind = RULE_CLIENT_IDENTITY;
		b->clients[i].identity = p;
		len = snprintf(b->texts[i], sizeof(b->texts[i]),
		    "spiffe://cluster.local/ns/team-%zu/sa%s", i,
		    below[0] == '\0' ? "" : "/web");
		b->names[i].text = b->texts[i];
		b->names[i].len = (size_t)len;
	}
}

static void
shape_identity(struct bench *b)
{
	name_clients(b, "");
}

static void
shape_wildcard(struct bench *b)
{
	name_clients(b, "/*");
}

static void
run(const char *name, void (*shape)(struct bench *), size_t n)
{
	struct policy *p = NULL;
	struct policy_question q = { .identities_known = true };
	unsigned long found = 0;
	int64_t start, loaded, asked;
	struct bench b;
	size_t i, j;

	bench_init(&b, n);
	shape(&b);
	q.nidentities = b.names != NULL ? 1 : 0;
	start = clock_now();
	if (policy_new(&p, b.rules, n) != 0)
		abort();
	loaded = clock_now();
	for (i = 0; i < LOOKUPS; i++) {
		j = rnd() % n;
		q.target = &b.targets[j];
		q.client = &b.from[j];
		q.identities = b.names != NULL ? &b.names[j] : NULL;
		found += policy_decide(p, &q).rule == &b.rules[j];
	}
	asked = clock_now();
	printf("%-9s %7zu rules: load %7.1f ms, look-up %6.1f ns%s\n", name, n,
	    (double)(loaded - start) / CLOCK_MSEC,
	    (double)(asked - loaded) / LOOKUPS,
	    found == LOOKUPS ? "" : " (WRONG RULE)");
	policy_free(p);
	bench_fini(&b);
}

int
main(void)
{
	static const size_t sizes[] = { 10000, 100000 };
	size_t i;

	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		run("mixed", shape_mixed, sizes[i]);
		run("one-name", shape_one_name, sizes[i]);
		run("any-name", shape_any, sizes[i]);
		run("ports", shape_ports, sizes[i]);
		run("identity", shape_identity, sizes[i]);
		run("wildcard", shape_wildcard, sizes[i]);
	}
	return (0);
}
