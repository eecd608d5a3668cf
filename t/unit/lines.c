/* What the board says of egress lines, and to whom. */
#include "common/shm/lines.h"

#include <stdlib.h>

#include "common/shm/shm.h"
#include "t/unit/tap.h"

static enum lines_state
judge(enum lines_device device, size_t all4, size_t here4, size_t all6,
    size_t here6)
{
	const struct lines_sources s = { { all4, all6 }, { here4, here6 } };

	return (lines_judge(device, &s));
}

static void
test_judge(void)
{
	const enum lines_device any = LINES_DEVICE_ANY;

	is_int(judge(any, 0, 0, 0, 0), LINES_STATE_UP, "it needs nothing");
	is_int(judge(any, 2, 2, 1, 1), LINES_STATE_UP, "it has all");
	is_int(judge(any, 2, 1, 0, 0), LINES_STATE_DEGRADED, "it has some");
	is_int(judge(any, 2, 0, 0, 0), LINES_STATE_DOWN, "it has none");
	is_int(judge(any, 2, 2, 1, 0), LINES_STATE_DOWN,
	    "it has none of a family");
	is_int(judge(any, 2, 1, 1, 1), LINES_STATE_DEGRADED,
	    "it has some of one, and all of the other");
	is_int(judge(LINES_DEVICE_UP, 0, 0, 1, 1), LINES_STATE_UP,
	    "its device is up");
	is_int(judge(LINES_DEVICE_DOWN, 0, 0, 1, 1), LINES_STATE_DOWN,
	    "its device is down");
	is_int(judge(LINES_DEVICE_MISSING, 0, 0, 0, 0), LINES_STATE_DOWN,
	    "its device is missing");
	is_int(judge(LINES_DEVICE_UNKNOWN, 0, 0, 0, 0), LINES_STATE_UNKNOWN,
	    "nothing was said");
}

static void
test_board(void)
{
	struct shm *master, *reader;

	if (shm_new(&master) != 0 || shm_join_reader(master, &reader) != 0)
		abort();
	is_int(lines_device(reader, 1, 0), LINES_DEVICE_UNKNOWN,
	    "before anything was said");
	lines_forget(master);
	lines_set_device(master, 1, LINES_DEVICE_UP);
	lines_set_source(master, 3, LINES_FOREIGN);
	lines_set_foreign(master, 1);
	is_int(lines_device(reader, 1, 1), LINES_DEVICE_UNKNOWN,
	    "before it is of a generation");
	ok(!lines_any_foreign(reader, 1), "nor is any foreign");
	lines_begin(master, 1);
	is_int(lines_device(reader, 1, 1), LINES_DEVICE_UP, "a device");
	is_int(lines_source(reader, 1, 3), LINES_FOREIGN, "a source");
	ok(lines_any_foreign(reader, 1), "which is foreign");
	is_int(lines_device(reader, 2, 1), LINES_DEVICE_UNKNOWN,
	    "who is of another generation learns nothing");
	is_int(lines_source(reader, 2, 3), LINES_UNKNOWN, "of sources either");
	ok(!lines_any_foreign(reader, 2), "not even that there are such");
	lines_set_device(master, LINES_MAX, LINES_DEVICE_UP);
	lines_set_source(master, LINES_SOURCES_MAX, LINES_HERE);
	is_int(lines_device(reader, 1, LINES_MAX), LINES_DEVICE_UNKNOWN,
	    "a line beyond");
	is_int(lines_source(reader, 1, LINES_SOURCES_MAX), LINES_UNKNOWN,
	    "a source beyond");
	lines_forget(master);
	is_int(lines_source(reader, 1, 3), LINES_UNKNOWN, "forgotten");
	shm_free(reader);
	shm_free(master);
}

int
main(void)
{
	test_judge();
	test_board();
	is_str(lines_state_name(LINES_STATE_DEGRADED), "degraded", "a state");
	is_str(lines_device_name(LINES_DEVICE_MISSING), "missing", "a device");
	ok(lines_device_name(LINES_DEVICE_ANY) == NULL, "no device");
	return (done_testing());
}
