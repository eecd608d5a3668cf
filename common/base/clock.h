/*
 * Monotonic time: every deadline and duration of the program is an int64_t of
 * nanoseconds on CLOCK_MONOTONIC; wall-clock time is only for the eye.
 */
#ifndef COMMON_BASE_CLOCK_H
#define COMMON_BASE_CLOCK_H

#include <stdint.h>

#define CLOCK_USEC  INT64_C(1000)
#define CLOCK_MSEC  INT64_C(1000000)
#define CLOCK_SEC   INT64_C(1000000000)
#define CLOCK_NEVER INT64_MAX

/* Length of what clock_format() writes, with its NUL. */
#define CLOCK_TEXT_SIZE sizeof("2026-01-02T03:04:05.678Z")

/*
 * For clock_format(), to be called before files are out of reach: gmtime_r(3)
 * of glibc (2.36, 2.41) opens /etc/localtime when it is first called, although
 * UTC needs none.
 */
void clock_init(void);

/* Nanoseconds since an arbitrary point; never goes back. */
int64_t clock_now(void);

/* Nanoseconds since 1970, UTC. */
int64_t clock_wall(void);

/* Writes wall (as of clock_wall) in RFC 3339 form, UTC, milliseconds. */
void clock_format(char buf[CLOCK_TEXT_SIZE], int64_t wall);

#endif
