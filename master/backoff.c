/*
 * Works out when a worker that died is replaced: at first at once, then after
 * ever longer waits.
 */
#include "master/backoff.h"

int64_t
backoff_next(struct backoff *b, int64_t lived)
{
	if (lived >= BACKOFF_RESET)
		*b = (struct backoff){ 0 };
	if (!b->died)
		b->delay = 0;
	else if (b->delay == 0)
		b->delay = BACKOFF_FIRST;
	else if (b->delay < BACKOFF_MAX / 2)
		b->delay *= 2;
	else
		b->delay = BACKOFF_MAX;
	b->died = true;
	return (b->delay);
}
