/* Delays before a worker that died is replaced. */
#include "master/backoff.h"
#include "t/unit/tap.h"

static void
doubling(void)
{
	static const int64_t want[] = { 0, 1, 2, 4, 8, 16, 30, 30, 30 };
	struct backoff b = { 0 };

	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++)
		is_int(backoff_next(&b, CLOCK_MSEC), want[i] * CLOCK_SEC,
		    "at once, then doubling from 1 s, never above 30 s");
}

static void
reset(void)
{
	struct backoff b = { 0 };

	for (int i = 0; i < 6; i++)
		backoff_next(&b, 0);
	is_int(backoff_next(&b, BACKOFF_RESET - 1), BACKOFF_MAX,
	    "one that lived not quite a minute goes on with the series");
	is_int(backoff_next(&b, BACKOFF_RESET), 0,
	    "one that lived a minute is replaced at once");
	is_int(
	    backoff_next(&b, 0), BACKOFF_FIRST, "and the series begins anew");
	for (int i = 0; i < 3; i++)
		is_int(backoff_next(&b, 3600 * CLOCK_SEC), 0,
		    "rare deaths are always replaced at once");
}

int
main(void)
{
	doubling();
	reset();
	return (done_testing());
}
