/*
 * Preloaded into sniport: the time of day is as many seconds ahead as the
 * number says that the test keeps in the file that CLOCK_FILE names. Monotonic
 * time is as it is.
 */
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>

#include "t/preload/preload.h"

static _Atomic int64_t *ahead;
static int (*real_gettime)(clockid_t, struct timespec *);

/* Others may ask for the time before this has begun. */
static void
begin(void)
{
	real_gettime = preload_real("clock_gettime");
	ahead = preload_share("CLOCK_FILE", sizeof(*ahead), PROT_READ);
}

int
clock_gettime(clockid_t clock, struct timespec *ts)
{
	int error;

	if (ahead == NULL)
		begin();
	error = real_gettime(clock, ts);
	if (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)
		ts->tv_sec += *ahead;
	return (error);
}

int
gettimeofday(struct timeval *restrict tv, void *restrict zone)
{
	struct timespec ts;
	int error = clock_gettime(CLOCK_REALTIME, &ts);

	tv->tv_sec = ts.tv_sec;
	tv->tv_usec = ts.tv_nsec / 1000;
	return (error);
}

time_t
time(time_t *out)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_REALTIME, &ts);
	if (out != NULL)
		*out = ts.tv_sec;
	return (ts.tv_sec);
}
