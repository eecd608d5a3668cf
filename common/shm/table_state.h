/* A worker's view of its table; private to the files of table. */
#ifndef COMMON_SHM_TABLE_STATE_H
#define COMMON_SHM_TABLE_STATE_H

#include <stddef.h>
#include <stdint.h>

#include "common/shm/table.h"

/* There is no such slot. */
#define TABLE_NONE UINT32_MAX

struct table {
	struct table_head *head;
	struct table_slot *slots;
	size_t size;
	uint32_t nslots, used;
	uint32_t first, last; /* whose lines wait, in the order of these */
	uint32_t low;	      /* no word before this one has a free slot */
	uint64_t free[];      /* one bit for each slot */
};

/* Whatever was stored before is seen by who sees the state. */
static inline void
table_set_state(struct table_slot *s, enum table_state state)
{
	atomic_store_explicit(&s->state, state, memory_order_release);
}

static inline struct table_slot *
table_slot_of(const struct tunnel_facts *f)
{
	return ((struct table_slot *)((uintptr_t)f -
				      offsetof(struct table_slot, facts)));
}

static inline uint32_t
table_index_of(const struct table *t, const struct table_slot *s)
{
	return ((uint32_t)(s - t->slots));
}

/* table.c: the lowest free slot, so that few pages have any; TABLE_NONE. */
uint32_t table_slot_take(struct table *);

#endif
