/* How long to wait before a worker that died is replaced. */
#ifndef MASTER_BACKOFF_H
#define MASTER_BACKOFF_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/clock.h"

#define BACKOFF_FIRST (1 * CLOCK_SEC)
#define BACKOFF_MAX   (30 * CLOCK_SEC)

/* One that lived so long died of something new. */
#define BACKOFF_RESET (60 * CLOCK_SEC)

/* Zeroed: nothing has died yet. */
struct backoff {
	int64_t delay; /* of the last replacement */
	bool died;     /* there was one */
};

/*
 * A worker died after it had lived that long; returns the delay until its
 * replacement: 0 for the first death, then BACKOFF_FIRST doubling up to
 * BACKOFF_MAX. Pure but for *b.
 */
int64_t backoff_next(struct backoff *b, int64_t lived);

#endif
