/* Times as text, compared with the C library's calendar. */
#include "common/base/clock.h"

#include <time.h>

#include "t/unit/tap.h"

static void
is_text(int64_t sec, int64_t nsec, const char *want)
{
	char buf[CLOCK_TEXT_SIZE];

	memset(buf, 'x', sizeof(buf));
	clock_format(buf, sec * CLOCK_SEC + nsec);
	ok(strcmp(buf, want) == 0, "%s, got %s", want, buf);
}

static void
test_format(void)
{
	is_text(0, 0, "1970-01-01T00:00:00.000Z");
	is_text(1795414362, 123999999, "2026-11-23T06:12:42.123Z");
	is_text(951782400, 0, "2000-02-29T00:00:00.000Z");
	is_text(951868799, 999999999, "2000-02-29T23:59:59.999Z");
	is_text(951868800, 0, "2000-03-01T00:00:00.000Z");
	is_text(4107542400, 0, "2100-03-01T00:00:00.000Z");
	is_text(4107542399, 0, "2100-02-28T23:59:59.000Z");
	is_text(2147483648, 1000000, "2038-01-19T03:14:08.001Z");
	is_text(-1, 0, "1969-12-31T23:59:59.000Z");
	is_text(0, -1, "1969-12-31T23:59:59.999Z");
	is_text(0, INT64_MAX, "2262-04-11T23:47:16.854Z");
	is_text(0, INT64_MIN, "1677-09-21T00:12:43.145Z");
}

/* The same day by the C library, for every day of six centuries. */
static void
test_against_libc(void)
{
	char buf[CLOCK_TEXT_SIZE], want[CLOCK_TEXT_SIZE + 16];
	time_t day, bad = -1;
	struct tm tm;

	for (day = -106000; day < 106000 && bad == -1; day++) {
		time_t t = day * 86400 + 45296;

		gmtime_r(&t, &tm);
		strftime(want, sizeof(want), "%Y-%m-%dT%H:%M:%S.000Z", &tm);
		clock_format(buf, t * CLOCK_SEC);
		if (strcmp(buf, want) != 0)
			bad = day;
	}
	is_int(bad, -1, "agrees with gmtime_r on every day");
}

static void
test_read(void)
{
	int64_t before = clock_now(), after = clock_now();
	struct timespec ts;
	int64_t wall;

	ok(before > 0, "clock_now is positive");
	ok(after >= before, "clock_now does not go back");
	clock_gettime(CLOCK_MONOTONIC, &ts);
	ok(ts.tv_sec * CLOCK_SEC + ts.tv_nsec >= after,
	    "clock_now is CLOCK_MONOTONIC in nanoseconds");
	clock_gettime(CLOCK_REALTIME, &ts);
	wall = clock_wall();
	ok(wall / CLOCK_SEC - ts.tv_sec >= -3600 &&
		wall / CLOCK_SEC - ts.tv_sec <= 3600,
	    "clock_wall is CLOCK_REALTIME in nanoseconds");
}

int
main(void)
{
	test_format();
	test_against_libc();
	test_read();
	return (done_testing());
}
