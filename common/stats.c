#include "common/stats.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/hash.h"
#include "common/tally.h"

/* A reader tries again where the master folded a slot meanwhile, but not for
 * ever: the memory is shared with workers that peers talk to. */
#define READ_TRIES 1000

/*
 * The shared memory. Retiring a slot moves its counts to the base, and no
 * reader may see them in both places or in neither, nor wait for a master
 * that died half way. So there are two bases, of which the sequence number
 * names one by its parity: the other is made ready with the slot's counts,
 * and the next number makes it count and the slot not.
 */
struct stats_map {
	struct stats_slot base[2];
	_Atomic uint64_t sequence;
	_Atomic uint32_t high; /* slots at and beyond were never used */
	/* Of each slot: it counts while the sequence is lower; 0: free. */
	_Atomic uint64_t until[STATS_SLOTS];
	struct stats_slot slots[STATS_SLOTS];
	/* Handed on with the counts that are kept under it. */
	struct hash_key hash;
	/* Large, but there is memory only where something was counted. */
	struct tally tally[STATS_SLOTS];
};

struct stats {
	struct stats_map *map;
	int fd;
};

static const struct {
	const char *name, *text;
} stat_table[] = {
#define STAT(id, name, text) [STAT_##id] = { name, text },
#include "common/stats.def"
#undef STAT
};

int
stats_new(struct stats **stats)
{
	struct stats *s;
	void *map;
	int r;

	s = calloc(1, sizeof(*s));
	if (s == NULL)
		return (-ENOMEM);
	s->fd = memfd_create("sniport-stats", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (s->fd < 0 || ftruncate(s->fd, sizeof(*s->map)) < 0)
		goto fail;
	/* A worker gone astray must not cut the memory from under the
	 * master's feet (SIGBUS). */
	if (fcntl(s->fd, F_ADD_SEALS,
		F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
		goto fail;
	map = mmap(NULL, sizeof(*s->map), PROT_READ | PROT_WRITE, MAP_SHARED,
	    s->fd, 0);
	if (map == MAP_FAILED)
		goto fail;
	/* A hole that goes to a core file is filled for it. If this fails, the
	 * file is large. */
	(void)madvise(map, sizeof(*s->map), MADV_DONTDUMP);
	s->map = map;
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
	if (s == NULL)
		return;
	munmap(s->map, sizeof(*s->map));
	fd_close(&s->fd);
	free(s);
}

/* As above: never beyond what is mapped. */
static uint32_t
high_slot(struct stats_map *map)
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
	uint32_t high = high_slot(map);
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

/* Empties the slot's tally and gives its memory back. */
static int
tally_clear(struct stats *s, int slot)
{
	off_t at = (off_t)(offsetof(struct stats_map, tally) +
			   (size_t)slot * sizeof(struct tally));

	return (fallocate(s->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, at,
	    sizeof(struct tally)));
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
	if (tally_clear(s, slot) == 0)
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
	uint32_t i, high = high_slot(map);
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

uint64_t
stats_tally_key(struct stats *s, const void *data, size_t len, bool per_second)
{
	return (tally_key(hash_bytes(&s->map->hash, data, len), per_second));
}

int
stats_tally_add(struct stats *s, int slot, uint64_t key, uint32_t second)
{
	atomic_store_explicit(
	    &stats_slot(s, slot)->tallied, 1, memory_order_relaxed);
	return (tally_add(&s->map->tally[slot], key, second));
}

void
stats_tally_sub(struct stats *s, int slot, uint64_t key, uint32_t second)
{
	tally_sub(&s->map->tally[slot], key, second);
}

uint64_t
stats_tally_sum(struct stats *s, uint64_t key, uint32_t second)
{
	struct stats_map *map = s->map;
	uint64_t total = 0;
	uint32_t i, high;

	/* Of two who each add before this and look behind it, one at least
	 * sees the other. */
	atomic_thread_fence(memory_order_seq_cst);
	high = high_slot(map);
	for (i = 0; i < high; i++)
		if (atomic_load_explicit(
			&map->until[i], memory_order_acquire) == UINT64_MAX &&
		    atomic_load_explicit(
			&map->slots[i].tallied, memory_order_relaxed) != 0)
			total += tally_get(&map->tally[i], key, second);
	return (total);
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
