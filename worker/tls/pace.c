/* Paces what is sealed: small records first, and after a pause, then full. */
#include "worker/tls/pace.h"

void
pace_begin(struct pace *p, int64_t now)
{
	/* Goes round after 49 days, which may hide a pause. */
	uint32_t ms = (uint32_t)(now / CLOCK_MSEC);

	if (ms - p->last >= PACE_PAUSE / CLOCK_MSEC)
		p->sent = 0;
	p->last = ms;
}

size_t
pace_next(struct pace *p, size_t len)
{
	size_t n = len, most;

	if (p->sent >= PACE_MEDIUM_UNTIL)
		return (len);
	most = p->sent < PACE_SMALL_UNTIL ? PACE_SMALL : PACE_MEDIUM;
	if (n > most)
		n = most;
	p->sent += (uint32_t)n;
	return (n);
}
