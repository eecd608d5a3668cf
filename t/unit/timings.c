/* Histograms: which cell a time is in, and their sums over workers. */
#include "common/shm/timings.h"

#include "common/shm/shm.h"
#include "common/shm/stats.h"
#include "t/unit/tap.h"

static void
test_table(void)
{
	const int64_t *bounds;
	int i, j, rising = 0, named = 0;

	for (i = 0; i < TIMING_COUNT; i++) {
		bounds = timings_bounds(i);
		for (j = 1; j < TIMINGS_BOUNDS; j++)
			rising += bounds[j] > bounds[j - 1];
		named += timings_name(i)[0] != '\0' &&
			 timings_text(i)[0] != '\0' && timings_unit(i) > 0;
	}
	is_int(rising, TIMING_COUNT * (TIMINGS_BOUNDS - 1), "bounds rise");
	is_int(named, TIMING_COUNT, "each has a name, a text and a unit");
}

static void
test_cells(void)
{
	const int64_t *bounds = timings_bounds(TIMING_DNS);
	struct stats_sums sums = { { 0 } };
	struct shm *master = NULL, *s = NULL, *reader = NULL;
	const uint64_t *cells;
	int slot;

	if (!ok(shm_new(&master) == 0, "maps"))
		return;
	slot = shm_take(master, false);
	if (!ok(shm_join(master, slot, &s) == 0 &&
		    shm_join_reader(master, &reader) == 0,
		"a worker and a reader"))
		return;
	timings_add(stats_mine(s), TIMING_DNS, -1);
	timings_add(stats_mine(s), TIMING_DNS, 0);
	timings_add(stats_mine(s), TIMING_DNS, bounds[0]);
	timings_add(stats_mine(s), TIMING_DNS, bounds[0] + 1);
	timings_add(stats_mine(s), TIMING_DNS, bounds[TIMINGS_BOUNDS - 1]);
	timings_add(stats_mine(s), TIMING_DNS, bounds[TIMINGS_BOUNDS - 1] + 1);
	is_int(stats_read(reader, &sums), 0, "read");
	cells = stats_sum_timing(&sums, TIMING_DNS);
	is_int((int64_t)cells[0], 2, "up to the first bound");
	is_int((int64_t)cells[1], 1, "beyond it");
	is_int((int64_t)cells[TIMINGS_BOUNDS - 1], 1, "up to the last");
	is_int((int64_t)cells[TIMINGS_LONGER], 1, "beyond all");
	is_int((int64_t)cells[TIMINGS_SUM],
	    2 * (bounds[0] + bounds[TIMINGS_BOUNDS - 1]) / CLOCK_USEC,
	    "their sum, in its unit");
	is_int((int64_t)stats_sum_timing(&sums, TIMING_TUNNEL)[0], 0,
	    "others have none");
	shm_free(s);
	stats_retire(master, slot);
	shm_release(master, slot);
	is_int(stats_read(reader, &sums), 0, "read");
	is_int((int64_t)cells[0], 2, "they stay when the worker is gone");
	shm_free(reader);
	shm_free(master);
}

int
main(void)
{
	test_table();
	test_cells();
	return (done_testing());
}
