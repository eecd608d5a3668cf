/* Counts in a worker's own memory, and adds up what all have counted. */
#include "common/shm/stats.h"

#include <assert.h>
#include <errno.h>

#include "common/shm/rules.h"
#include "common/shm/shm_state.h"

/* Looks of a reader, before it lets it be. The master is at it for some
 * microseconds, but it may be put to sleep there. */
#define LOOKS_MAX 1000

static const struct {
	const char *name, *text;
} table[] = {
#define STAT(id, name, text) [STAT_##id] = { name, text },
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

static const _Atomic uint64_t *
counter_of(const struct stats_slot *slot, unsigned counter)
{
	unsigned cell;

	if (counter < STATS_REASONS)
		return (&slot->count[counter]);
	if (counter < STATS_TIMINGS)
		return (&slot->reason[counter - STATS_REASONS]);
	cell = counter - STATS_TIMINGS;
	return (&slot->timing[cell / TIMINGS_CELLS][cell % TIMINGS_CELLS]);
}

/* A counter of a worker, as far as it is believed; by the number that it has in
 * the board. */
static uint64_t
counted(const struct shm *s, int slot, unsigned counter)
{
	uint64_t seen = load(&s->board->seen[slot][counter]);
	uint64_t n = load(counter_of(stats_slot(s, slot), counter));

	if (n > STATS_BELIEVED)
		n = STATS_BELIEVED;
	return (n > seen ? n : seen);
}

/* The same, and where the master looks it never goes back. */
static uint64_t
see(struct shm *s, int slot, unsigned counter)
{
	uint64_t n = counted(s, slot, counter);

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
			n = sum(n, see(s, i, counter));
	return (n);
}

static uint64_t
total(struct shm *s, unsigned counter)
{
	unsigned looks = 0;
	uint64_t change, n;

	do {
		change = shm_look_begin(s->board);
		n = add_up(s, counter);
	} while (!shm_look_is_whole(s->board, change) && ++looks < LOOKS_MAX);
	return (n);
}

static void
look(const struct shm *s, struct stats_sums *sums)
{
	int slot, high = shm_high(s);
	unsigned i;

	for (i = 0; i < STATS_ALL; i++)
		sums->n[i] = load(&s->board->base[i]);
	for (slot = 0; slot < high; slot++) {
		if (!shm_is_live(s, slot))
			continue;
		for (i = 0; i < STATS_ALL; i++)
			sums->n[i] = sum(sums->n[i], counted(s, slot, i));
	}
}

int
stats_read(const struct shm *s, struct stats_sums *sums)
{
	struct stats_sums now;
	unsigned i, looks = 0;
	uint64_t change;

	do {
		if (looks++ == LOOKS_MAX)
			return (-EAGAIN);
		change = shm_look_begin(s->board);
		look(s, &now);
	} while (!shm_look_is_whole(s->board, change));
	for (i = 0; i < STATS_ALL; i++)
		if (now.n[i] > sums->n[i])
			sums->n[i] = now.n[i];
	return (0);
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

	shm_change_begin(s->board_writer);
	for (i = 0; i < STATS_ALL; i++) {
		add_base(s, i, counted(s, slot, i));
		atomic_store_explicit(
		    &s->board_writer->seen[slot][i], 0, memory_order_relaxed);
	}
	rules_retire(s, slot);
	shm_bury(s, slot);
	shm_change_end(s->board_writer);
}

const char *
stats_name(enum stats_counter stat)
{
	return (table[stat].name);
}

const char *
stats_text(enum stats_counter stat)
{
	return (table[stat].text);
}
