/* Counts by rule in a worker's own memory, and keeps what one has counted. */
#include "common/shm/rules.h"

#include <assert.h>

#include "common/shm/shm_state.h"
#include "common/shm/stats.h"

struct rules_row *
rules_mine(struct shm *s, const struct rules_held *held, uint32_t rule)
{
	unsigned row = RULES_REST;

	if (held != NULL && rule < held->n)
		row = held->rows[rule];
	return (&s->my_rules->rows[row]);
}

void
rules_decided(struct shm *s, struct rules_row *row,
    enum facts_decision decision, int64_t wall)
{
	unsigned page = (unsigned)(row - s->my_rules->rows) / RULES_PAGE_ROWS;
	_Atomic uint64_t *word = &s->my_rules->pages[page / 64];
	static const enum rules_sum sums[] = {
		[FACTS_ALLOW] = RULES_ALLOW,
		[FACTS_DENY] = RULES_DENY,
		[FACTS_REPORT] = RULES_REPORT,
	};

	assert(decision != FACTS_UNDECIDED);
	atomic_store_explicit(word,
	    atomic_load_explicit(word, memory_order_relaxed) | UINT64_C(1)
								   << page % 64,
	    memory_order_relaxed);
	stats_add(&row->n[sums[decision]], 1);
	atomic_store_explicit(&row->last, (uint64_t)wall, memory_order_relaxed);
}

static uint64_t
load(const _Atomic uint64_t *n)
{
	return (atomic_load_explicit(n, memory_order_relaxed));
}

bool
rules_next(const struct rules_part *part, unsigned high, unsigned *row)
{
	unsigned page;

	while (*row < high) {
		page = *row / RULES_PAGE_ROWS;
		if ((load(&part->pages[page / 64]) >> page % 64 & 1) != 0)
			return (true);
		*row = (page + 1) * RULES_PAGE_ROWS;
	}
	return (false);
}

void
rules_count(const struct rules_row *of, int64_t wall, uint64_t n[RULES_NUMBERS])
{
	unsigned i;

	for (i = 0; i < RULES_SUMS; i++) {
		n[i] = load(&of->n[i]);
		if (n[i] > STATS_BELIEVED)
			n[i] = STATS_BELIEVED;
	}
	n[RULES_LAST] = load(&of->last);
	if (n[RULES_LAST] > (uint64_t)wall)
		n[RULES_LAST] = (uint64_t)wall;
}

void
rules_add(uint64_t n[RULES_NUMBERS], const uint64_t more[RULES_NUMBERS])
{
	unsigned i;

	for (i = 0; i < RULES_SUMS; i++)
		n[i] =
		    n[i] <= UINT64_MAX - more[i] ? n[i] + more[i] : UINT64_MAX;
	if (more[RULES_LAST] > n[RULES_LAST])
		n[RULES_LAST] = more[RULES_LAST];
}

void
rules_kept(const struct rules_entry *e, uint64_t n[RULES_NUMBERS])
{
	unsigned i;

	for (i = 0; i < RULES_NUMBERS; i++)
		n[i] = load(&e->n[i]);
}

void
rules_retire(struct shm *s, int slot)
{
	struct rules_board *b = &s->board_writer->rules;
	const struct rules_part *part = shm_rules(s, slot);
	uint64_t n[RULES_NUMBERS], more[RULES_NUMBERS];
	int64_t wall = clock_wall();
	unsigned row, i, high;

	/* There is no address space left for it: its counts are lost. */
	if (part == NULL)
		return;
	high = atomic_load_explicit(&b->high, memory_order_relaxed);
	for (row = 0; rules_next(part, high, &row); row++) {
		rules_kept(&b->entries[row], n);
		rules_count(&part->rows[row], wall, more);
		rules_add(n, more);
		for (i = 0; i < RULES_NUMBERS; i++)
			atomic_store_explicit(
			    &b->entries[row].n[i], n[i], memory_order_relaxed);
	}
	shm_rules_forget(s, slot);
}
