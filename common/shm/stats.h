/*
 * Counters: each worker writes its own; the master adds them up, and so does
 * whoever joined as a reader. What a worker counted is kept when it is gone.
 * Totals never go back, whatever a worker writes.
 */
#ifndef COMMON_SHM_STATS_H
#define COMMON_SHM_STATS_H

#include <stdatomic.h>
#include <stdint.h>

#include "common/reason.h"
#include "common/shm/most.h"
#include "common/shm/servers.h"
#include "common/shm/shm.h"
#include "common/shm/timings.h"

enum stats_counter {
#define STAT(id, name, text) STAT_##id,
#include "common/shm/stats.def"
#undef STAT
	STAT_COUNT
};

/* All of them in one row: counters, then reasons, then the cells of timings. */
enum {
	STATS_REASONS = STAT_COUNT,
	STATS_TIMINGS = STATS_REASONS + REASON_COUNT,
	STATS_ALL = STATS_TIMINGS + TIMING_COUNT * TIMINGS_CELLS
};

/* The most that one worker is believed to have counted: 265 days of 100 Gbit/s.
 * Totals stay the sums of all workers beside some that lie. */
#define STATS_BELIEVED (UINT64_C(1) << 58)

struct stats_slot {
	struct shm_head head;
	_Alignas(64) _Atomic uint64_t heartbeat; /* clock_now() of a turn */
	_Atomic uint64_t tunnels;		 /* open now */
	_Atomic uint64_t tallied;		 /* 0: its tally is empty */
	/* Lines that would be lost if the worker died now (sink_publish()), and
	 * audit lines that were lost and that the audit log does not mention
	 * yet. */
	_Atomic uint64_t audit_owed, audit_untold, error_owed;
	_Atomic uint64_t count[STAT_COUNT];
	_Atomic uint64_t reason[REASON_COUNT];
	_Atomic uint64_t timing[TIMING_COUNT][TIMINGS_CELLS];
	struct servers servers; /* name servers, as it finds them */
};

/* The worker's own. */
struct stats_slot *stats_mine(struct shm *);

/* Anybody's, to be read, and judged: its worker may have been broken into. */
const struct stats_slot *stats_slot(const struct shm *, int slot);

/* Tunnels that a worker has open, if it has no more than the most. */
uint64_t stats_tunnels_of(
    const struct shm *, int slot, const struct shm_most *);

/* Tunnels open over all workers; of one that is not the caller, no more than
 * the most. */
uint64_t stats_tunnels(const struct shm *, const struct shm_most *);

/* Sums over all workers that are or were. Of the master and readers only. */
uint64_t stats_total(struct shm *, enum stats_counter);
uint64_t stats_total_reason(struct shm *, enum reason);

/*
 * The same sums for a process that is not the master. Begins as zeros, and is
 * for one reader alone.
 */
struct stats_sums {
	uint64_t n[STATS_ALL];
};

/*
 * Brings all sums up to date: they are as the master would have found them at
 * some moment of the call, and none goes back. 0; -EAGAIN: the master was at
 * work on them all the time, so they stay as they were.
 */
int stats_read(const struct shm *, struct stats_sums *);

static inline uint64_t
stats_sum(const struct stats_sums *sums, enum stats_counter stat)
{
	return (sums->n[stat]);
}

static inline uint64_t
stats_sum_reason(const struct stats_sums *sums, enum reason reason)
{
	return (sums->n[STATS_REASONS + (unsigned)reason]);
}

/* TIMINGS_CELLS of them. */
static inline const uint64_t *
stats_sum_timing(const struct stats_sums *sums, enum timing timing)
{
	return (&sums->n[STATS_TIMINGS + (unsigned)timing * TIMINGS_CELLS]);
}

/* Counts what no worker has. Master only. */
void stats_add_total(struct shm *, enum stats_counter, uint64_t n);
void stats_add_total_reason(struct shm *, enum reason, uint64_t n);

/* The slot's worker is gone: keeps what it has counted, that by rules included,
 * and buries the slot. Master only. */
void stats_retire(struct shm *, int slot);

/* Single writer: a relaxed load and store, no locked instruction. */
static inline void
stats_add(_Atomic uint64_t *counter, uint64_t n)
{
	atomic_store_explicit(counter,
	    atomic_load_explicit(counter, memory_order_relaxed) + n,
	    memory_order_relaxed);
}

const char *stats_name(enum stats_counter);
/* What it counts. */
const char *stats_text(enum stats_counter);

#endif
