/* Puts times into the cells of histograms. */
#include "common/shm/timings.h"

#include "common/shm/stats.h"

enum scale {
	TIMINGS_SHORT,
	TIMINGS_LONG
};

#define HOUR (3600 * CLOCK_SEC)

static const int64_t scales[][TIMINGS_BOUNDS] = {
	[TIMINGS_SHORT] = { CLOCK_MSEC, 2500 * CLOCK_USEC, 5 * CLOCK_MSEC,
	    10 * CLOCK_MSEC, 25 * CLOCK_MSEC, 50 * CLOCK_MSEC, 100 * CLOCK_MSEC,
	    250 * CLOCK_MSEC, 500 * CLOCK_MSEC, CLOCK_SEC, 2500 * CLOCK_MSEC,
	    5 * CLOCK_SEC, 10 * CLOCK_SEC },
	[TIMINGS_LONG] = { 100 * CLOCK_MSEC, CLOCK_SEC, 5 * CLOCK_SEC,
	    15 * CLOCK_SEC, 60 * CLOCK_SEC, 300 * CLOCK_SEC, 900 * CLOCK_SEC,
	    HOUR, 4 * HOUR, 12 * HOUR, 24 * HOUR, 72 * HOUR, 168 * HOUR },
};

static const struct {
	const char *name, *text;
	int64_t unit;
	enum scale scale;
} table[] = {
#define TIMING(id, name, unit, bounds, text) \
	[TIMING_##id] = { name, text, unit, bounds },
#include "common/shm/timings.def"
#undef TIMING
};

const char *
timings_name(enum timing timing)
{
	return (table[timing].name);
}

const char *
timings_text(enum timing timing)
{
	return (table[timing].text);
}

const int64_t *
timings_bounds(enum timing timing)
{
	return (scales[table[timing].scale]);
}

int64_t
timings_unit(enum timing timing)
{
	return (table[timing].unit);
}

void
timings_add(struct stats_slot *slot, enum timing timing, int64_t ns)
{
	const int64_t *bounds = timings_bounds(timing);
	_Atomic uint64_t *cells = slot->timing[timing];
	unsigned i, cell = 0;

	if (ns < 0)
		return;
	for (i = 0; i < TIMINGS_BOUNDS; i++)
		cell += ns > bounds[i];
	stats_add(&cells[cell], 1);
	stats_add(&cells[TIMINGS_SUM], (uint64_t)(ns / table[timing].unit));
}
