/* Reads the monotonic clock, and writes wall-clock time as people read it. */
#include "common/base/clock.h"

#include <stdio.h>
#include <time.h>

static int64_t
clock_read(clockid_t id)
{
	struct timespec ts;

	/* Fails only for an unknown clock or a bad pointer. */
	(void)clock_gettime(id, &ts);
	return (ts.tv_sec * CLOCK_SEC + ts.tv_nsec);
}

int64_t
clock_now(void)
{
	return (clock_read(CLOCK_MONOTONIC));
}

int64_t
clock_wall(void)
{
	return (clock_read(CLOCK_REALTIME));
}

/* Rounds towards minus infinity, as times before 1970 need it. */
static int64_t
floor_div(int64_t a, int64_t b)
{
	return (a / b - (a % b < 0));
}

void
clock_init(void)
{
	tzset();
}

/* In milliseconds first: the least time has no whole second before it that
 * nanoseconds could say. */
void
clock_format(char buf[CLOCK_TEXT_SIZE], int64_t wall)
{
	int64_t msec = floor_div(wall, CLOCK_MSEC);
	time_t seconds = floor_div(msec, 1000);
	unsigned rest = msec - seconds * INT64_C(1000);
	struct tm tm;
	size_t n;

	/* Neither fails: nanoseconds reach from 1677 to 2262. */
	(void)gmtime_r(&seconds, &tm);
	n = strftime(buf, CLOCK_TEXT_SIZE, "%Y-%m-%dT%H:%M:%S", &tm);
	(void)snprintf(buf + n, CLOCK_TEXT_SIZE - n, ".%03uZ", rest % 1000);
}
