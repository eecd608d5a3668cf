/* Adds up the tallies of all workers. */
#include "common/shm/tallies.h"

#include <errno.h>

#include "common/shm/shm_state.h"

uint64_t
tallies_key(const struct shm *s, const void *data, size_t len, bool per_second)
{
	return (tally_key(hash_bytes(&s->board->hash, data, len), per_second));
}

int
tallies_add(struct shm *s, uint64_t key, uint32_t second)
{
	atomic_store_explicit(
	    &s->my_counters->tallied, 1, memory_order_relaxed);
	return (tally_add(s->my_tally, key, second));
}

/* Without the look nothing is touched, and no memory taken, where nothing was
 * ever counted. */
static bool
is_tallied(const struct shm *s, int slot)
{
	return (atomic_load_explicit(
		    &stats_slot(s, slot)->tallied, memory_order_relaxed) != 0);
}

void
tallies_sub(struct shm *s, uint64_t key, uint32_t second)
{
	if (is_tallied(s, s->slot))
		tally_sub(s->my_tally, key, second);
}

uint32_t
tallies_own(const struct shm *s, uint64_t key, uint32_t second)
{
	return (
	    is_tallied(s, s->slot) ? tally_get(s->my_tally, key, second) : 0);
}

int
tallies_sum(struct shm *s, uint64_t key, uint32_t second,
    const struct shm_most *most, uint64_t *total)
{
	const struct tally *t;
	uint64_t n, max;
	int i, high;

	/*
	 * Of two who each add before this and look behind it, one at least
	 * sees the other: all fences stand in one order, and whose is the later
	 * one sees what the other stored before its own. That is the count, and
	 * with it all that leads there: `tallied`, stored before it, and what
	 * the master stored to take the slot before it forked the worker. None
	 * of that is undone while the worker lives. Whose mapping the loads
	 * and stores go through makes no difference, since it is one memory.
	 */
	atomic_thread_fence(memory_order_seq_cst);
	*total = 0;
	high = shm_high(s);
	for (i = 0; i < high; i++) {
		if (!shm_is_live(s, i) || !is_tallied(s, i))
			continue;
		t = shm_tally(s, i);
		if (t == NULL)
			return (-ENOMEM);
		n = tally_get(t, key, second);
		max = shm_state(s, i) == SHM_ALONE ? most->alone : most->beside;
		*total += i == s->slot || n < max ? n : max;
	}
	return (0);
}
