#include "common/shm/stats.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "common/shm/stats_state.h"

/* A reader tries again where the master folded a slot meanwhile, but not for
 * ever: the memory is shared with workers that peers talk to. */
#define READ_TRIES 1000

static const struct {
	const char *name, *text;
} stat_table[] = {
#define STAT(id, name, text) [STAT_##id] = { name, text },
#include "common/shm/stats.def"
#undef STAT
};

void *
stats_map_part(const struct stats *s, size_t at, size_t size)
{
	void *map = mmap(
	    NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, s->fd, (off_t)at);

	if (map == MAP_FAILED)
		return (NULL);
	/* A hole that goes to a core file is filled for it. If this fails, the
	 * file is large. */
	(void)madvise(map, size, MADV_DONTDUMP);
	return (map);
}

int
stats_new(struct stats **stats)
{
	struct stats *s;
	int r;

	s = calloc(1, sizeof(*s));
	if (s == NULL)
		return (-ENOMEM);
	s->fd = memfd_create("sniport-stats", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (s->fd < 0 || ftruncate(s->fd, sizeof(struct stats_file)) < 0)
		goto fail;
	/* A worker gone astray must not cut the memory from under the
	 * master's feet (SIGBUS). */
	if (fcntl(s->fd, F_ADD_SEALS,
		F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
		goto fail;
	s->map = stats_map_part(
	    s, offsetof(struct stats_file, map), sizeof(*s->map));
	if (s->map == NULL)
		goto fail;
	r = hash_key_init(&s->map->hash);
	if (r != 0) {
		stats_free(s);
		return (r);
	}
	*stats = s;
	return (0);
fail:
	r = -errno;
	fd_close(&s->fd);
	free(s);
	return (r);
}

void
stats_free(struct stats *s)
{
	size_t i;

	if (s == NULL)
		return;
	for (i = 0; i < STATS_SLOTS; i++)
		if (s->tally[i] != NULL)
			munmap(s->tally[i], sizeof(*s->tally[i]));
	munmap(s->map, sizeof(*s->map));
	fd_close(&s->fd);
	free(s);
}

int
stats_fd(const struct stats *s)
{
	return (s->fd);
}

uint32_t
stats_high(struct stats_map *map)
{
	uint32_t high = atomic_load_explicit(&map->high, memory_order_acquire);

	return (high < STATS_SLOTS ? high : STATS_SLOTS);
}

static void
slot_clear(struct stats_slot *slot)
{
	unsigned i;

	atomic_store_explicit(&slot->heartbeat, 0, memory_order_relaxed);
	atomic_store_explicit(&slot->tunnels, 0, memory_order_relaxed);
	atomic_store_explicit(&slot->tallied, 0, memory_order_relaxed);
	atomic_store_explicit(&slot->audit_owed, 0, memory_order_relaxed);
	atomic_store_explicit(&slot->audit_untold, 0, memory_order_relaxed);
	atomic_store_explicit(&slot->error_owed, 0, memory_order_relaxed);
	for (i = 0; i < STAT_COUNT; i++)
		atomic_store_explicit(&slot->count[i], 0, memory_order_relaxed);
	for (i = 0; i < REASON_COUNT; i++)
		atomic_store_explicit(
		    &slot->reason[i], 0, memory_order_relaxed);
}

int
stats_slot_take(struct stats *s)
{
	struct stats_map *map = s->map;
	uint32_t high = stats_high(map);
	uint32_t i;

	for (i = 0; i < high; i++)
		if (atomic_load_explicit(
			&map->until[i], memory_order_relaxed) == 0)
			break;
	if (i == STATS_SLOTS)
		return (-ENOSPC);
	slot_clear(&map->slots[i]);
	atomic_store_explicit(&map->until[i], UINT64_MAX, memory_order_release);
	if (i == high)
		atomic_store_explicit(
		    &map->high, high + 1, memory_order_release);
	return ((int)i);
}

static void
counter_sum(_Atomic uint64_t *sum, _Atomic uint64_t *a, _Atomic uint64_t *b)
{
	atomic_store_explicit(sum,
	    atomic_load_explicit(a, memory_order_relaxed) +
		atomic_load_explicit(b, memory_order_relaxed),
	    memory_order_relaxed);
}

void
stats_slot_retire(struct stats *s, int slot)
{
	struct stats_map *map = s->map;
	struct stats_slot *old, *new, *gone = stats_slot(s, slot);
	uint64_t seq;
	unsigned i;

	seq = atomic_load_explicit(&map->sequence, memory_order_relaxed);
	old = &map->base[seq % 2];
	new = &map->base[(seq + 1) % 2];
	/* Who still reads the base before the last one finds out. */
	atomic_thread_fence(memory_order_release);
	for (i = 0; i < STAT_COUNT; i++)
		counter_sum(&new->count[i], &old->count[i], &gone->count[i]);
	for (i = 0; i < REASON_COUNT; i++)
		counter_sum(&new->reason[i], &old->reason[i], &gone->reason[i]);
	atomic_store_explicit(&map->until[slot], seq + 1, memory_order_relaxed);
	atomic_store_explicit(&map->sequence, seq + 1, memory_order_release);
	/* So does who still reads the slot, which is cleared when taken. */
	atomic_thread_fence(memory_order_release);
	/* If it cannot be emptied it is not taken again. */
	if (stats_tally_clear(s, slot) == 0)
		atomic_store_explicit(
		    &map->until[slot], 0, memory_order_relaxed);
}

struct stats_slot *
stats_slot(struct stats *s, int slot)
{
	assert(slot >= 0 && slot < STATS_SLOTS);
	return (&s->map->slots[slot]);
}

/* Adds up one counter, which is at that offset of every slot. */
static uint64_t
sum_once(struct stats_map *map, size_t offset, uint64_t seq)
{
	uint32_t i, high = stats_high(map);
	uint64_t total;

#define COUNTER(slot) ((_Atomic uint64_t *)((char *)(slot) + offset))
	total = atomic_load_explicit(
	    COUNTER(&map->base[seq % 2]), memory_order_relaxed);
	for (i = 0; i < high; i++)
		if (seq <
		    atomic_load_explicit(&map->until[i], memory_order_acquire))
			total += atomic_load_explicit(
			    COUNTER(&map->slots[i]), memory_order_relaxed);
#undef COUNTER
	return (total);
}

static uint64_t
sum(struct stats *s, size_t offset)
{
	_Atomic uint64_t *sequence = &s->map->sequence;
	uint64_t total, seq, now;
	unsigned tries = 0;

	do {
		seq = atomic_load_explicit(sequence, memory_order_acquire);
		total = sum_once(s->map, offset, seq);
		atomic_thread_fence(memory_order_acquire);
		now = atomic_load_explicit(sequence, memory_order_relaxed);
	} while (now != seq && ++tries < READ_TRIES);
	return (total);
}

uint64_t
stats_tunnels(struct stats *s)
{
	return (sum(s, offsetof(struct stats_slot, tunnels)));
}

uint64_t
stats_total(struct stats *s, enum stats_counter stat)
{
	return (sum(s, offsetof(struct stats_slot, count[stat])));
}

uint64_t
stats_total_reason(struct stats *s, enum reason reason)
{
	return (sum(s, offsetof(struct stats_slot, reason[reason])));
}

const char *
stats_name(enum stats_counter stat)
{
	return (stat_table[stat].name);
}

const char *
stats_text(enum stats_counter stat)
{
	return (stat_table[stat].text);
}
