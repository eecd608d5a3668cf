/* What the files of shm/ know in common, and nobody else: the maps' layout. */
#ifndef COMMON_SHM_SHM_STATE_H
#define COMMON_SHM_SHM_STATE_H

#include <stdatomic.h>
#include <stddef.h>

#include "common/base/hash.h"
#include "common/shm/lines.h"
#include "common/shm/rules_state.h"
#include "common/shm/service.h"
#include "common/shm/shm.h"
#include "common/shm/stats.h"
#include "common/shm/tally.h"

struct shm_board {
	struct shm_head head;
	/* Counts are kept under it in all generations. */
	struct hash_key hash;
	/* See room.h. */
	_Atomic uint64_t room_look, room;
	/* See service.h. */
	_Atomic uint64_t service[SERVICE_VALUES];
	_Atomic uint32_t high; /* slots at and beyond were never used */
	_Atomic uint8_t state[SHM_SLOTS]; /* enum shm_state */
	/* The sums of workers that are gone, and the highest that was seen of
	 * those who are there. */
	_Atomic uint64_t base[STATS_ALL];
	_Atomic uint64_t seen[SHM_SLOTS][STATS_ALL];
	_Atomic uint64_t change; /* odd: counts are being moved */
	struct rules_board rules;
	struct lines_board lines;
};

/* The master moves counts from one place to another. Who sees half of it looks
 * once more. */
static inline void
shm_change_begin(struct shm_board *b)
{
	uint64_t n = atomic_load_explicit(&b->change, memory_order_relaxed);

	atomic_store_explicit(&b->change, n + 1, memory_order_relaxed);
	/* Who sees any of what follows sees that it has begun. */
	atomic_thread_fence(memory_order_release);
}

static inline void
shm_change_end(struct shm_board *b)
{
	uint64_t n = atomic_load_explicit(&b->change, memory_order_relaxed);

	atomic_store_explicit(&b->change, n + 1, memory_order_release);
}

static inline uint64_t
shm_look_begin(const struct shm_board *b)
{
	return (atomic_load_explicit(&b->change, memory_order_acquire));
}

/* Was there no change since? */
static inline bool
shm_look_is_whole(const struct shm_board *b, uint64_t begin)
{
	atomic_thread_fence(memory_order_acquire);
	return (begin % 2 == 0 && atomic_load_explicit(&b->change,
				      memory_order_relaxed) == begin);
}

/*
 * The parts are in one file: first the counters of all slots, each in pages of
 * its own, then the tallies of all slots, then what they count by rules.
 */
struct shm {
	const struct shm_board *board;
	struct shm_board *board_writer; /* NULL: not the master */
	const char *counters;		/* of all slots */
	size_t stride;			/* from one's counters to the next */
	int board_fd;			/* to read; -1: not the master */
	int board_writer_fd;		/* to write; likewise */
	int parts_fd;			/* to read */
	int parts_writer;		/* to write; -1: not the master */
	int slot;			/* -1: the master, or a reader */
	/* The worker's own. */
	struct stats_slot *my_counters;
	struct tally *my_tally;
	struct rules_part *my_rules;
	/* NULL until somebody adds it up, then for good: a slot that is emptied
	 * is the same memory, without counts. */
	const struct tally *tally[SHM_SLOTS];
	const struct rules_part *rules[SHM_SLOTS]; /* likewise */
};

/* Gives the memory of the slot's part back. 0, or -errno: it may hold something
 * yet. Master only. */
int shm_empty(const struct shm *, int slot);

/* The slot's tally, to read; NULL where it cannot be mapped: errno. */
const struct tally *shm_tally(struct shm *, int slot);
/* What it has counted by rules, likewise; it is not mapped any more. */
const struct rules_part *shm_rules(struct shm *, int slot);
void shm_rules_forget(struct shm *, int slot);

#endif
