/* Counts by key over all workers; what a worker counts is gone with it. */
#ifndef COMMON_SHM_TALLIES_H
#define COMMON_SHM_TALLIES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/shm/most.h"

struct shm;

/* See tally.h. The key for some bytes is the same in all processes. */
uint64_t tallies_key(const struct shm *, const void *, size_t, bool per_second);

/* In this worker's own tally. 0; -ENOSPC: no room for one more key. */
int tallies_add(struct shm *, uint64_t key, uint32_t second);
void tallies_sub(struct shm *, uint64_t key, uint32_t second);
uint32_t tallies_own(const struct shm *, uint64_t key, uint32_t second);

/*
 * Over all workers that are there; of others it counts no more than the most.
 * Of several who add and then sum at the same time, the last sees what all the
 * others have added. A process maps the tallies of others when it sums. 0, or
 * -ENOMEM: one cannot be mapped, and there is no sum.
 */
int tallies_sum(struct shm *, uint64_t key, uint32_t second,
    const struct shm_most *, uint64_t *sum);

#endif
