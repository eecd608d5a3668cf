/* What the files of shm/ know in common, and nobody else: the maps' layout. */
#ifndef COMMON_SHM_SHM_STATE_H
#define COMMON_SHM_SHM_STATE_H

#include <stdatomic.h>
#include <stddef.h>

#include "common/base/hash.h"
#include "common/shm/service.h"
#include "common/shm/shm.h"
#include "common/shm/stats.h"
#include "common/shm/tally.h"

/* Counters and reasons together. */
#define SHM_COUNTERS (STAT_COUNT + REASON_COUNT)

struct shm_board {
	struct shm_head head;
	/* Counts are kept under it in all generations. */
	struct hash_key hash;
	/* See room.h. */
	_Atomic uint64_t room_look, room;
	/* See service.h. */
	_Atomic uint64_t service[SERVICE_VALUES];
	_Atomic uint32_t high; /* slots at and beyond were never used */
	/* Odd while what a worker counted goes over into the sums. */
	_Atomic uint32_t retiring;
	_Atomic uint8_t state[SHM_SLOTS]; /* enum shm_state */
	/* The sums of workers that are gone, and the highest that was seen of
	 * those who are there. */
	_Atomic uint64_t base[SHM_COUNTERS];
	_Atomic uint64_t seen[SHM_SLOTS][SHM_COUNTERS];
};

/*
 * The parts are in one file: first the counters of all slots, each in pages of
 * its own, then the tallies of all slots.
 */
struct shm {
	const struct shm_board *board;
	struct shm_board *board_writer; /* NULL: not the master */
	const char *counters;		/* of all slots */
	size_t stride;			/* from one's counters to the next */
	int board_fd;			/* to read; -1: not the master's */
	int parts_fd;			/* to read */
	int parts_writer;		/* to write; -1: not the master */
	int slot;			/* -1: the master, or a reader */
	/* The worker's own. */
	struct stats_slot *my_counters;
	struct tally *my_tally;
	/* NULL until somebody adds it up, then for good: a slot that is emptied
	 * is the same memory, without counts. */
	const struct tally *tally[SHM_SLOTS];
};

/* The slot's tally, to read; NULL where it cannot be mapped: errno. */
const struct tally *shm_tally(struct shm *, int slot);

#endif
