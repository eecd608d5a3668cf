/* Reads the monotonic clock, and writes wall-clock time as people read it. */
#include "common/base/clock.h"

#include <string.h>
#include <time.h>

#include "common/base/decimal.h"

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
	struct tm tm;

	/* It does not fail: nanoseconds reach from 1677 to 2262. */
	(void)gmtime_r(&seconds, &tm);
	memcpy(buf, "YYYY-mm-ddTHH:MM:SS.mmmZ", CLOCK_TEXT_SIZE);
	decimal_put_padded(buf, (unsigned)tm.tm_year + 1900, 4);
	decimal_put_padded(buf + 5, (unsigned)tm.tm_mon + 1, 2);
	decimal_put_padded(buf + 8, (unsigned)tm.tm_mday, 2);
	decimal_put_padded(buf + 11, (unsigned)tm.tm_hour, 2);
	decimal_put_padded(buf + 14, (unsigned)tm.tm_min, 2);
	decimal_put_padded(buf + 17, (unsigned)tm.tm_sec, 2);
	decimal_put_padded(
	    buf + 20, (uint64_t)(msec - seconds * INT64_C(1000)), 3);
}
