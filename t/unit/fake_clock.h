/*
 * A clock that stands still until a loop would wait: then it is at once as late
 * as the loop would have waited for. Include it once in a program; it stands in
 * the place of what the library has.
 */
#ifndef T_UNIT_FAKE_CLOCK_H
#define T_UNIT_FAKE_CLOCK_H

#include <errno.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "common/base/clock.h"

#define FAKE_CLOCK_START (1000 * CLOCK_SEC)

static int64_t fake_now = FAKE_CLOCK_START;
/* The loop would wait for ever; it may stop it. */
static void (*fake_idle)(void);

int
clock_gettime(clockid_t id, struct timespec *ts)
{
	if (id != CLOCK_MONOTONIC)
		return ((int)syscall(SYS_clock_gettime, id, ts));
	ts->tv_sec = fake_now / CLOCK_SEC;
	ts->tv_nsec = fake_now % CLOCK_SEC;
	return (0);
}

int
epoll_pwait2(int fd, struct epoll_event *events, int max,
    const struct timespec *timeout, const sigset_t *mask)
{
	int n = (int)syscall(SYS_epoll_pwait, fd, events, max, 0, NULL, 8);

	if (n != 0)
		return (n);
	if (timeout != NULL)
		fake_now += timeout->tv_sec * CLOCK_SEC + timeout->tv_nsec;
	else if (fake_idle != NULL)
		fake_idle();
	return (0);
}

#endif
