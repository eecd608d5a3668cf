/* Reads the monotonic clock, and writes wall-clock time as people read it. */
#include "common/base/clock.h"

#include <time.h>

#define DAY_SECONDS 86400
/* A cycle of the Gregorian calendar: 400 years. */
#define CYCLE_DAYS 146097
/* From 0000-03-01 to 1970-01-01. */
#define EPOCH_DAYS 719468

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

static void
put_digits(char *at, unsigned digits, unsigned value)
{
	while (digits-- > 0) {
		at[digits] = '0' + value % 10;
		value /= 10;
	}
}

/*
 * Years are counted from March, so that the leap day is the last day of a
 * year and the months before it have a regular pattern of 153 days in five.
 */
static void
put_date(char *at, int64_t days)
{
	int64_t shifted = days + EPOCH_DAYS;
	int64_t cycle = floor_div(shifted, CYCLE_DAYS);
	unsigned of_cycle = shifted - cycle * CYCLE_DAYS;
	unsigned year = (of_cycle - of_cycle / 1460 + of_cycle / 36524 -
			    of_cycle / (CYCLE_DAYS - 1)) /
			365;
	unsigned of_year = of_cycle - (365 * year + year / 4 - year / 100);
	unsigned month = (5 * of_year + 2) / 153;
	unsigned day = of_year - (153 * month + 2) / 5 + 1;

	month = month < 10 ? month + 3 : month - 9;
	year += cycle * 400 + (month <= 2);
	put_digits(at, 4, year);
	put_digits(at + 5, 2, month);
	put_digits(at + 8, 2, day);
}

/*
 * By hand, since gmtime_r(3) of glibc reads the time zone file when it is
 * called for the first time, and a worker may not open files by then.
 */
void
clock_format(char buf[CLOCK_TEXT_SIZE], int64_t wall)
{
	static const char shape[] = "0000-00-00T00:00:00.000Z";
	int64_t msec = floor_div(wall, CLOCK_MSEC);
	int64_t days = floor_div(msec, DAY_SECONDS * INT64_C(1000));
	unsigned of_day = msec - days * DAY_SECONDS * INT64_C(1000);
	size_t i;

	for (i = 0; i < sizeof(shape); i++)
		buf[i] = shape[i];
	put_date(buf, days);
	put_digits(buf + 11, 2, of_day / 3600000);
	put_digits(buf + 14, 2, of_day / 60000 % 60);
	put_digits(buf + 17, 2, of_day / 1000 % 60);
	put_digits(buf + 20, 3, of_day % 1000);
}
