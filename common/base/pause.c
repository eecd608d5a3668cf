/* Counts the steps of long work, and looks at the clock now and then. */
#include "common/base/pause.h"

#include <stddef.h>

#include "common/base/clock.h"

#define PAUSE_EVERY (10 * CLOCK_MSEC)

/* Together they take far less than that. */
#define PAUSE_STEPS 64

void
pause_init(struct pause *p, int (*cb)(void *arg), void *arg)
{
	*p = (struct pause){
		.cb = cb, .arg = arg, .at = clock_now() + PAUSE_EVERY
	};
}

int
pause_step(struct pause *p)
{
	if (p == NULL || p->error != 0 || ++p->steps < PAUSE_STEPS)
		return (p != NULL ? p->error : 0);
	p->steps = 0;
	if (clock_now() < p->at)
		return (0);
	p->error = p->cb(p->arg);
	p->at = clock_now() + PAUSE_EVERY;
	return (p->error);
}
