/*
 * Shared counters: one slot per worker, written by that worker alone, read by
 * all; slots of workers that are gone are folded into a base slot, so totals
 * never go back. Besides, a tally for each slot, which is gone with its worker.
 */
#ifndef COMMON_SHM_STATS_H
#define COMMON_SHM_STATS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/reason.h"

enum stats_counter {
#define STAT(id, name, text) STAT_##id,
#include "common/shm/stats.def"
#undef STAT
	STAT_COUNT
};

/* Slots that can be in use at once: workers x generations. The memory is
 * only touched, and so only used, as far as slots are taken; a tally is not
 * even mapped until it is needed. */
#define STATS_SLOTS 4096

struct stats_slot {
	_Alignas(64) _Atomic uint64_t heartbeat; /* clock_now() of a turn */
	_Atomic uint64_t tunnels;		 /* open now */
	_Atomic uint64_t tallied;		 /* 0: its tally is empty */
	/* Lines that are lost if the worker dies now (sink_publish()), and
	 * audit lines that are, of which the audit log does not tell yet. */
	_Atomic uint64_t audit_owed, audit_untold, error_owed;
	_Atomic uint64_t count[STAT_COUNT];
	_Atomic uint64_t reason[REASON_COUNT];
};

struct stats;

/* Maps the shared memory. 0 or -errno. A process that forks hands on what it
 * has mapped. */
int stats_new(struct stats **);
void stats_free(struct stats *);

/* The memory's descriptor, which has to stay open: tallies are mapped later. */
int stats_fd(const struct stats *);

/* Takes a free slot, zeroed; -ENOSPC: none is left. Master only. */
int stats_slot_take(struct stats *);
/* Adds the slot to the base and frees it: its worker is gone. Master only. */
void stats_slot_retire(struct stats *, int slot);
struct stats_slot *stats_slot(struct stats *, int slot);

/* Tunnels open over all workers. */
uint64_t stats_tunnels(struct stats *);
/* Sums over base and slots. */
uint64_t stats_total(struct stats *, enum stats_counter);
uint64_t stats_total_reason(struct stats *, enum reason);

/*
 * Counts by key, see tally.h. The key for some bytes is the same in all
 * processes. The sum is over all slots in use; of several who add and then sum
 * at the same time, the last sees what all the others have added. A process
 * maps its own tally when it first adds, and those of others when it sums.
 */
uint64_t stats_tally_key(struct stats *, const void *, size_t, bool per_second);
/* 0; -ENOSPC: no room for one more key; -ENOMEM: cannot be mapped. */
int stats_tally_add(struct stats *, int slot, uint64_t key, uint32_t second);
void stats_tally_sub(struct stats *, int slot, uint64_t key, uint32_t second);
/* 0, or -ENOMEM: a tally cannot be mapped, and there is no sum. */
int stats_tally_sum(
    struct stats *, uint64_t key, uint32_t second, uint64_t *sum);

/* Single writer: a relaxed load and store, no locked instruction. */
static inline void
stats_add(_Atomic uint64_t *counter, uint64_t n)
{
	atomic_store_explicit(counter,
	    atomic_load_explicit(counter, memory_order_relaxed) + n,
	    memory_order_relaxed);
}

const char *stats_name(enum stats_counter);
const char *stats_text(enum stats_counter);

#endif
