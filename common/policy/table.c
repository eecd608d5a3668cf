/* The hash table of a compiled policy: finds and adds nodes by key. */
#include "common/policy/table.h"

#include <stdbool.h>
#include <string.h>

static uint64_t
key_hash(const struct policy *p, const struct policy_key *k)
{
	uint64_t salt = (uint64_t)k->owner * 8 + k->kind;

	/* An odd factor: the same bytes under other owners spread out. */
	return (hash_bytes(&p->hash, k->bytes, k->len) ^
		salt * UINT64_C(0x9e3779b97f4a7c15));
}

static bool
node_is(const struct policy_node *n, const struct policy_key *k)
{
	const void *bytes = &n->key.cidr;

	if (n->kind != k->kind || n->owner != k->owner || n->len != k->len)
		return (false);
	if (k->kind != RULE_DESTINATION_NETWORK)
		bytes = n->key.name;
	return (memcmp(bytes, k->bytes, k->len) == 0);
}

static void
node_init(struct policy_node *n, const struct policy_key *k, uint32_t rule)
{
	n->kind = (uint8_t)k->kind;
	n->len = (uint16_t)k->len;
	n->owner = k->owner;
	n->first = rule;
	if (k->kind == RULE_DESTINATION_NETWORK)
		memcpy(&n->key.cidr, k->bytes, sizeof(n->key.cidr));
	else
		n->key.name = k->bytes;
}

/* The slot that holds the key, or the free one where it belongs. */
static struct policy_slot *
slot_find(const struct policy *p, const struct policy_key *k, uint64_t hash)
{
	uint32_t tag = (uint32_t)(hash >> 32);
	struct policy_slot *slot;
	size_t i;

	for (i = hash & p->mask;; i = (i + 1) & p->mask) {
		slot = &p->slots[i];
		if (slot->node == 0 ||
		    (slot->tag == tag && node_is(&p->nodes[slot->node - 1], k)))
			return (slot);
	}
}

uint32_t
policy_find(const struct policy *p, const struct policy_key *k)
{
	const struct policy_slot *slot = slot_find(p, k, key_hash(p, k));

	return (slot->node == 0 ? POLICY_NOTHING : slot->node - 1);
}

uint32_t
policy_add(struct policy *p, const struct policy_key *k, uint32_t rule)
{
	uint64_t hash = key_hash(p, k);
	struct policy_slot *slot = slot_find(p, k, hash);

	if (slot->node == 0) {
		node_init(&p->nodes[p->nnodes], k, rule);
		slot->tag = (uint32_t)(hash >> 32);
		slot->node = ++p->nnodes;
	}
	return (slot->node - 1);
}

uint32_t
policy_add_hidden(struct policy *p, uint32_t rule)
{
	p->nodes[p->nnodes].first = rule;
	return (p->nnodes++);
}

unsigned
policy_count_labels(const char *name, size_t len)
{
	const char *end = name + len;
	unsigned n = 1;

	while ((name = memchr(name, '.', (size_t)(end - name))) != NULL) {
		name++;
		n++;
	}
	return (n);
}
