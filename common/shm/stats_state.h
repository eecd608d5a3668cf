/* What the files of stats know in common, and nobody else. */
#ifndef COMMON_SHM_STATS_STATE_H
#define COMMON_SHM_STATS_STATE_H

#include "common/base/hash.h"
#include "common/shm/stats.h"
#include "common/shm/tally.h"

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
};

/*
 * What the descriptor stands for. Large, but there is memory only where
 * something was counted. The tallies come first, since each is mapped by
 * itself and so has to begin with a page.
 */
struct stats_file {
	struct tally tally[STATS_SLOTS];
	struct stats_map map;
};

struct stats {
	struct stats_map *map;
	int fd;
	/* NULL until somebody counts there or adds it up, then for good: a
	 * slot that is emptied is the same memory, without counts. */
	struct tally *tally[STATS_SLOTS];
};

/* Maps a part of the file, which begins with a page. NULL: errno says why. */
void *stats_map_part(const struct stats *, size_t at, size_t size);

/* Slots at and beyond were never used. At most STATS_SLOTS, whatever somebody
 * has written there. */
uint32_t stats_high(struct stats_map *);

/* Empties the slot's tally, for all who have it mapped, and gives its memory
 * back. 0, or -1 with errno. */
int stats_tally_clear(struct stats *, int slot);

#endif
