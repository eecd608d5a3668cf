/* Counts in a worker's own memory, and adds up what all have counted. */
#include "common/shm/stats.h"

#include <assert.h>

#include "common/shm/shm_state.h"

#define LOOKS_MAX 10000

static const char *const names[] = {
#define STAT(id, name, text) [STAT_##id] = name,
#include "common/shm/stats.def"
#undef STAT
};

struct stats_slot *
stats_mine(struct shm *s)
{
	return (s->my_counters);
}

const struct stats_slot *
stats_slot(const struct shm *s, int slot)
{
	assert(slot >= 0 && slot < SHM_SLOTS);
	return ((
	    const struct stats_slot *)(s->counters + (size_t)slot * s->stride));
}

uint64_t
stats_tunnels_of(const struct shm *s, int slot, const struct shm_most *most)
{
	uint64_t max, n = atomic_load_explicit(
			  &stats_slot(s, slot)->tunnels, memory_order_relaxed);

	max = shm_state(s, slot) == SHM_ALONE ? most->alone : most->beside;
	return (slot == s->slot || n < max ? n : max);
}

uint64_t
stats_tunnels(const struct shm *s, const struct shm_most *most)
{
	uint64_t total = 0;
	int i, high = shm_high(s);

	for (i = 0; i < high; i++)
		if (shm_is_live(s, i))
			total += stats_tunnels_of(s, i, most);
	return (total);
}

static uint64_t
load(const _Atomic uint64_t *counter)
{
	return (atomic_load_explicit(counter, memory_order_relaxed));
}

static uint64_t
sum(uint64_t a, uint64_t b)
{
	return (a <= UINT64_MAX - b ? a + b : UINT64_MAX);
}

/* A counter of a worker, as far as it is believed; by the number that it has in
 * the board. */
static uint64_t
counted(struct shm *s, int slot, unsigned counter)
{
	const struct stats_slot *of = stats_slot(s, slot);
	uint64_t seen = load(&s->board->seen[slot][counter]);
	uint64_t n =
	    load(counter < STAT_COUNT ? &of->count[counter]
				      : &of->reason[counter - STAT_COUNT]);

	if (n > STATS_BELIEVED)
		n = STATS_BELIEVED;
	if (n <= seen)
		return (seen);
	if (s->board_writer != NULL)
		atomic_store_explicit(&s->board_writer->seen[slot][counter], n,
		    memory_order_relaxed);
	return (n);
}

static uint64_t
add_up(struct shm *s, unsigned counter)
{
	uint64_t n = load(&s->board->base[counter]);
	int i, high = shm_high(s);

	for (i = 0; i < high; i++)
		if (shm_is_live(s, i))
			n = sum(n, counted(s, i, counter));
	return (n);
}

/* A reader sees what a worker counted in one place: its own, or the sums. The
 * master is not killed in between so often that it takes many looks. */
static uint64_t
total(struct shm *s, unsigned counter)
{
	uint32_t before;
	unsigned i;
	uint64_t n = 0;

	for (i = 0; i < LOOKS_MAX; i++) {
		before = atomic_load_explicit(
		    &s->board->retiring, memory_order_acquire);
		n = add_up(s, counter);
		atomic_thread_fence(memory_order_acquire);
		if (before % 2 == 0 &&
		    before == atomic_load_explicit(
				  &s->board->retiring, memory_order_relaxed))
			break;
	}
	return (n);
}

uint64_t
stats_total(struct shm *s, enum stats_counter stat)
{
	return (total(s, stat));
}

uint64_t
stats_total_reason(struct shm *s, enum reason reason)
{
	return (total(s, STAT_COUNT + (unsigned)reason));
}

static void
add_base(struct shm *s, unsigned counter, uint64_t n)
{
	_Atomic uint64_t *base = &s->board_writer->base[counter];

	atomic_store_explicit(base, sum(load(base), n), memory_order_relaxed);
}

void
stats_add_total(struct shm *s, enum stats_counter stat, uint64_t n)
{
	add_base(s, stat, n);
}

void
stats_add_total_reason(struct shm *s, enum reason reason, uint64_t n)
{
	add_base(s, STAT_COUNT + (unsigned)reason, n);
}

void
stats_retire(struct shm *s, int slot)
{
	unsigned i;

	atomic_fetch_add(&s->board_writer->retiring, 1);
	for (i = 0; i < SHM_COUNTERS; i++) {
		add_base(s, i, counted(s, slot, i));
		atomic_store_explicit(
		    &s->board_writer->seen[slot][i], 0, memory_order_relaxed);
	}
	shm_bury(s, slot);
	atomic_fetch_add(&s->board_writer->retiring, 1);
}

const char *
stats_name(enum stats_counter stat)
{
	return (names[stat]);
}
