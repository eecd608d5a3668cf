/*
 * Counts by key, changed by one process and read by others meanwhile, so that
 * what several workers count adds up. Pure: the memory is the caller's.
 */
#ifndef COMMON_SHM_TALLY_H
#define COMMON_SHM_TALLY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * A key stands in one of so many entries from where its hash says. Beyond some
 * 20,000 keys in use there are keys whose places are all taken.
 */
#define TALLY_ENTRIES (SIZE_MAX > UINT32_MAX ? 32768 : 1024)
#define TALLY_PROBES  64

struct tally_entry {
	_Atomic uint64_t key;	/* 0: was never used */
	_Atomic uint64_t value; /* second << 32 | count */
};

/* All zero: nothing is counted. */
struct tally {
	struct tally_entry entries[TALLY_ENTRIES];
};

/*
 * The key for a hash (keyed, where a peer chooses what is hashed). Counts of a
 * key per_second hold in the second that they were made in. The second, of any
 * clock that all of them read, is an argument of every call.
 */
uint64_t tally_key(uint64_t hash, bool per_second);

/* Adds one. 0, or -ENOSPC: there is no room for one more key. Writer only. */
int tally_add(struct tally *, uint64_t key, uint32_t second);

/* Takes one back, if there is one. Writer only. */
void tally_sub(struct tally *, uint64_t key, uint32_t second);

/* Anybody. */
uint32_t tally_get(const struct tally *, uint64_t key, uint32_t second);

#endif
