#include <errno.h>
#include <fcntl.h>
#include <stddef.h>

#include "common/shm/stats_state.h"

static size_t
tally_offset(int slot)
{
	return (offsetof(struct stats_file, tally) +
		(size_t)slot * sizeof(struct tally));
}

int
stats_tally_clear(struct stats *s, int slot)
{
	return (fallocate(s->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
	    (off_t)tally_offset(slot), sizeof(struct tally)));
}

uint64_t
stats_tally_key(struct stats *s, const void *data, size_t len, bool per_second)
{
	return (tally_key(hash_bytes(&s->map->hash, data, len), per_second));
}

/* The slot's tally, or NULL where it cannot be mapped. */
static struct tally *
tally_of(struct stats *s, int slot)
{
	struct tally **t = &s->tally[slot];

	if (*t == NULL)
		*t = stats_map_part(s, tally_offset(slot), sizeof(**t));
	return (*t);
}

int
stats_tally_add(struct stats *s, int slot, uint64_t key, uint32_t second)
{
	struct stats_slot *mine = stats_slot(s, slot);
	struct tally *t = tally_of(s, slot);

	if (t == NULL)
		return (-ENOMEM);
	atomic_store_explicit(&mine->tallied, 1, memory_order_relaxed);
	return (tally_add(t, key, second));
}

void
stats_tally_sub(struct stats *s, int slot, uint64_t key, uint32_t second)
{
	/* Not mapped: nothing was counted. */
	if (s->tally[slot] != NULL)
		tally_sub(s->tally[slot], key, second);
}

static bool
is_tallied(struct stats_map *map, uint32_t slot)
{
	return (atomic_load_explicit(&map->until[slot], memory_order_acquire) ==
		    UINT64_MAX &&
		atomic_load_explicit(
		    &map->slots[slot].tallied, memory_order_relaxed) != 0);
}

int
stats_tally_sum(struct stats *s, uint64_t key, uint32_t second, uint64_t *total)
{
	struct tally *t;
	uint32_t i, high;

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
	high = stats_high(s->map);
	for (i = 0; i < high; i++) {
		if (!is_tallied(s->map, i))
			continue;
		t = tally_of(s, (int)i);
		if (t == NULL)
			return (-ENOMEM);
		*total += tally_get(t, key, second);
	}
	return (0);
}
