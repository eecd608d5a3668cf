/* The phase that a tunnel is in: how it is entered, run, and ended by time. */
#include "common/base/clock.h"
#include "worker/tunnel/state.h"

void
tunnel_arm(struct tunnel *t)
{
	int64_t when = t->state->deadline(t);

	if (when == CLOCK_NEVER)
		timer_cancel(loop_timers(t->all->loop), &t->timer);
	else
		timer_arm(loop_timers(t->all->loop), &t->timer, when);
}

void
tunnel_enter(struct tunnel *t, const struct tunnel_state *state)
{
	t->state = state;
	t->state_since = tunnel_now(t);
	tunnel_arm(t);
}

void
tunnel_run(struct tunnel *t)
{
	t->state->run(t);
}

/* Moving bytes does not touch the timer; whether it was right to fire is
 * found out here. */
void
tunnel_timer_cb(struct timer *timer)
{
	struct tunnel *t = container_of(timer, struct tunnel, timer);

	if (tunnel_now(t) < t->state->deadline(t))
		tunnel_arm(t);
	else
		t->state->expire(t);
}
