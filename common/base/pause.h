/*
 * Lets others have a turn while something takes long, and lets them end it.
 * Whoever works counts his steps; now and then a function is called meanwhile.
 */
#ifndef COMMON_BASE_PAUSE_H
#define COMMON_BASE_PAUSE_H

#include <stdint.h>

struct pause {
	int (*cb)(void *arg); /* 0 or -errno: the work is to end */
	void *arg;
	unsigned steps; /* since the clock was looked at */
	int64_t at;	/* when cb is called again */
	int error;	/* of cb, for good */
};

void pause_init(struct pause *, int (*cb)(void *arg), void *arg);

/* To be called where a microsecond or so of work is done. Calls cb each 10 ms,
 * and not again once it has failed. 0, also of NULL, or what cb returned: give
 * up, whoever called you does so, too. */
int pause_step(struct pause *);

#endif
