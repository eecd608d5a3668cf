/*
 * How long things take: each has a histogram, in cells that are counters like
 * those of stats.def.
 */
#ifndef COMMON_SHM_TIMINGS_H
#define COMMON_SHM_TIMINGS_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/clock.h"

struct stats_slot;

enum timing {
#define TIMING(id, name, unit, bounds, text) TIMING_##id,
#include "common/shm/timings.def"
#undef TIMING
	TIMING_COUNT
};

/* Bounds of a histogram, by which its cells are parted. */
#define TIMINGS_BOUNDS 13

/* Behind a cell for each bound, one for all that took longer, and the sum. */
enum {
	TIMINGS_LONGER = TIMINGS_BOUNDS,
	TIMINGS_SUM,
	TIMINGS_CELLS
};

/* "handshake" */
const char *timings_name(enum timing);
/* What it is the time of. */
const char *timings_text(enum timing);

/* TIMINGS_BOUNDS times in ns. What took as long as a bound or less, and longer
 * than the one before, is in that bound's cell. */
const int64_t *timings_bounds(enum timing);

/* What the sum counts, in ns. */
int64_t timings_unit(enum timing);

/* Counts one that took so long; negative: it was not done, and does not count.
 * Writer only. */
void timings_add(struct stats_slot *, enum timing, int64_t ns);

#endif
