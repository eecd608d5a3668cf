/*
 * The tables of a policy, for the files that make up its module: compile.c
 * (rules to tables), fill.c (spans to their nodes), spans.c (the ports of one
 * node), table.c (nodes by key), by_identity.c (clients by identity), policy.c
 * (deciding).
 *
 * There are two levels in one hash table. A node of the first level is a
 * destination without its ports. A node of the second is a client block or an
 * identity within one such destination. Both hold their ports as sorted spans
 * that do not overlap, each with the first rule that has it. So neither a host
 * with a rule per port nor one with a rule per client is ever searched rule by
 * rule.
 *
 * A pattern of identities with a wildcard is found by what stands before the
 * wildcard (in a DNS name, behind it). It waits in the "rest" of that node,
 * which is searched in rule order.
 *
 * A rule with more clients than CLIENTS_MAX of compile.c would multiply with
 * its destinations. Its clients become one set instead: of sorted ranges, and
 * of identities that belong to the set as those above do to a destination. The
 * rule waits in the "rest" of its destinations.
 */
#ifndef COMMON_POLICY_TABLE_H
#define COMMON_POLICY_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/hash.h"
#include "common/net/addr.h"
#include "common/net/addr_range.h"
#include "common/net/hostname.h"
#include "common/policy/policy.h"

#define POLICY_NOTHING UINT32_MAX /* no rule, no node */

/* What is looked for, beside rule_destination_kind. */
enum policy_key_kind {
	POLICY_SPIFFE = 4,
	POLICY_DNS,
	POLICY_SPIFFE_PREFIX, /* up to the '/' before the first wildcard */
	POLICY_DNS_SUFFIX     /* behind "*." */
};

/* A client block is a NETWORK that has an owner. */
struct policy_key {
	unsigned kind;
	uint32_t owner; /* of clients: the node + 1 that they are in; else 0 */
	size_t len;
	const void *bytes; /* of the text (ANY: none), or a struct cidr */
};

/* Ports and the rule that has them. */
struct policy_span {
	uint16_t low, high;
	uint32_t rule;
};

/* Prefix lengths in use, one bit each. */
struct policy_lengths {
	uint64_t ipv4[1];
	uint64_t ipv6[3];
};

/*
 * A look-up is bound by cache misses, so what nearly every one needs is in
 * the node itself: the key, unless it is a name, and a span that is alone.
 */
struct policy_node {
	uint8_t kind;
	uint16_t len;
	uint32_t owner;
	union {
		struct cidr cidr;
		const char *name; /* of a destination: in names; of an
				   * identity: borrowed from the rules */
	} key;
	uint32_t first; /* lowest rule here and among the clients */
	uint32_t nspans, span;
	struct policy_span only;       /* where nspans is 1 */
	uint32_t named;		       /* of destinations: the node of ports
					* whose rules name identities; 0 */
	struct policy_lengths clients; /* of destinations */
	uint32_t rest, nrest; /* of destinations: rules with client sets; of
			       * wildcards: indices of patterns */
};

struct policy_slot {
	uint32_t tag;  /* upper half of the hash */
	uint32_t node; /* its index + 1; 0: free */
};

struct policy_client_set {
	uint32_t range, nranges;
	uint32_t owner; /* of its identities: a hidden node + 1; 0: none */
};

/* One of a rule's, with a wildcard. */
struct policy_pattern {
	const struct identity_pattern *pattern; /* borrowed from the rules */
	uint32_t rule;
};

/* The deepest prefix that a pattern can have, in segments, is not as deep. */
#define POLICY_PREFIX_DEPTHS 320
_Static_assert(IDENTITY_PATTERN_MAX / 2 < POLICY_PREFIX_DEPTHS, "prefixes");

struct policy {
	const struct rule *rules; /* borrowed */
	struct hash_key hash;
	struct policy_slot *slots;
	size_t mask; /* number of slots - 1 */
	struct policy_node *nodes;
	uint32_t nnodes;
	struct policy_span *spans;
	struct policy_span *rest;
	struct addr_range *ranges;
	struct policy_client_set *sets; /* by rule; of long client lists only */
	struct policy_pattern *patterns;
	char *names; /* of destinations */
	uint32_t npatterns;
	bool identities;		/* some rule names them */
	struct policy_lengths networks; /* of NETWORK destinations */
	uint64_t suffix_depth[2]; /* label counts of SUFFIX destinations */
	uint32_t any;		  /* node of the ANY destination */
	/* Of DNS_SUFFIX their label counts, of SPIFFE_PREFIX their '/'s. */
	uint64_t dns_depth[2];
	uint64_t spiffe_depth[POLICY_PREFIX_DEPTHS / 64];
};

/* table.c */

/* The node of the key, or NOTHING. */
uint32_t policy_find(const struct policy *, const struct policy_key *);

/*
 * The same, but adds a node, for which there is room, where there is none; it
 * borrows a name. Rules must come in their order: the first is noted.
 */
uint32_t policy_add(struct policy *, const struct policy_key *, uint32_t rule);

/* A node that only its index leads to. */
uint32_t policy_add_hidden(struct policy *, uint32_t rule);

/* Of a canonical name: 127 at most. */
unsigned policy_count_labels(const char *name, size_t len);

/* by_identity.c */

/* An identity that some pattern may name. */
struct policy_identity {
	const struct identity *whole; /* borrowed */
	const char *text;	      /* canonical */
	size_t len;
	char name[HOSTNAME_SIZE]; /* text, of a DNS name */
};

/* False: it is malformed, and no pattern names it. */
bool policy_identity_init(struct policy_identity *, const struct identity *);

/* Sets kind and text of the key that a pattern is found by; true: where it has
 * a wildcard, with the depth of that key. */
bool policy_pattern_key(
    const struct identity_pattern *, struct policy_key *, unsigned *depth);

/* spans.c */

/* Room to paint the spans of one node. */
struct policy_canvas {
	uint32_t *edges; /* where an elementary segment begins */
	uint32_t *next;	 /* of a segment: the next that may be bare */
	uint32_t *rule;
};

/* For nodes of at most n spans. 0 or -ENOMEM. */
int policy_canvas_init(struct policy_canvas *, size_t n);
void policy_canvas_fini(struct policy_canvas *);

/*
 * Turns n spans in rule order, which may overlap, into sorted ones that do
 * not, each with the first rule that has it. Writes at most 2n - 1 (none of
 * none) and returns how many.
 */
uint32_t policy_paint(struct policy_canvas *, const struct policy_span *in,
    uint32_t n, struct policy_span *out);

/* fill.c */

/* A span on its way to its node. */
struct policy_entry {
	uint32_t node;
	struct policy_span span;
};

struct policy_entries {
	struct policy_entry *list;
	size_t n;
};

/* Gives each node its spans and its rest, of entries in rule order. 0 or
 * -ENOMEM. */
int policy_fill(struct policy *, const struct policy_entries *spans,
    const struct policy_entries *rest);

#endif
