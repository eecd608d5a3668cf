/* Looks whether workers are alive, and ends those who are not. */
#include "master/watch.h"

#include <errno.h>

#include "common/base/clock.h"
#include "common/control.h"
#include "common/shm/stats.h"
#include "master/crew.h"
#include "master/keep.h"
#include "master/master.h"

/* When the child was last seen alive, which was not in the future, whatever
 * it says. */
static int64_t
beat(const struct master *m, const struct child *c, int64_t now)
{
	uint64_t at = atomic_load_explicit(
	    &stats_slot(m->shm, c->slot)->heartbeat, memory_order_relaxed);

	if (at > (uint64_t)now)
		return (now);
	return ((int64_t)at > c->alive ? (int64_t)at : c->alive);
}

static enum crew_cause
impatience(const struct child *c)
{
	if (c->control_fd < 0)
		return (CREW_HUNG_UP);
	if (c->deaf)
		return (CREW_DEAF);
	switch (c->state) {
	case CHILD_STARTING:
		return (CREW_NOT_READY);
	case CHILD_SERVING:
		break;
	case CHILD_DRAINING:
		return (CREW_STILL_THERE);
	case CHILD_ENDING:
		return (CREW_DISOBEYED);
	}
	return (CREW_STANDS_STILL);
}

/*
 * Kills a worker that stands still; returns when to look again. It takes two
 * looks, a heartbeat apart: after a pause of the machine we may run before
 * the worker does, and a pause must not cost a tunnel.
 */
static int64_t
watch_heartbeat(struct master *m, struct child *c, int64_t now)
{
	int64_t watchdog = c->crew->terms->watchdog;
	int64_t alive = beat(m, c, now);
	int64_t doubt = alive + watchdog - watchdog / 4;

	if (now < doubt) {
		c->doubted = CLOCK_NEVER;
		return (doubt);
	}
	/* A beat since the first look makes this one the first. */
	if (c->doubted == CLOCK_NEVER || c->doubted < alive)
		c->doubted = now;
	if (now < c->doubted + watchdog / 4)
		return (c->doubted + watchdog / 4);
	crew_kill(m, c, CREW_NO_HEARTBEAT);
	return (CLOCK_NEVER);
}

/* Asks whether it takes messages; returns when to look at it again. */
static int64_t
ask(struct child *c, int64_t now)
{
	const struct control_msg ping = { .type = CONTROL_PING };

	c->asked_at = now;
	if (control_send(c->control_fd, &ping, NULL, 0) != -EPIPE) {
		c->asked = true;
		return (now + c->crew->terms->watchdog);
	}
	/* So it is when it exits, too. */
	c->deaf = true;
	if (c->kill_at > now + CREW_HANG_UP)
		c->kill_at = now + CREW_HANG_UP;
	return (c->kill_at);
}

/*
 * Kills a worker that takes no messages, though its heart beats: the kernel
 * does not tell when the other side has shut down its reading. Here, too, it
 * takes two looks.
 */
static int64_t
watch_ears(struct master *m, struct child *c, int64_t now)
{
	int64_t watchdog = c->crew->terms->watchdog;

	if (c->control_fd < 0 || c->killed != CREW_NOT_KILLED)
		return (CLOCK_NEVER);
	if (!c->asked && now < c->asked_at + watchdog / 2)
		return (c->asked_at + watchdog / 2);
	if (!c->asked)
		return (ask(c, now));
	if (now < c->asked_at + watchdog)
		return (c->asked_at + watchdog);
	if (c->missed == CLOCK_NEVER)
		c->missed = now;
	if (now < c->missed + watchdog / 4)
		return (c->missed + watchdog / 4);
	crew_kill(m, c, CREW_DEAF);
	return (CLOCK_NEVER);
}

static int64_t
earlier(int64_t a, int64_t b)
{
	return (a < b ? a : b);
}

/* Returns when the child has to be looked at again. */
int64_t
watch_child(struct master *m, struct child *c, int64_t now)
{
	int64_t due = CLOCK_NEVER;

	if (c->killed != CREW_NOT_KILLED)
		return (CLOCK_NEVER);
	due = keep_tick(m, c, now);
	if (c->state == CHILD_SERVING || c->state == CHILD_DRAINING) {
		due = earlier(due, watch_heartbeat(m, c, now));
		due = earlier(due, watch_ears(m, c, now));
	}
	/* Whoever has hung up cannot be told anything more. */
	if (c->control_fd < 0 && c->kill_at > now + CREW_HANG_UP)
		c->kill_at = now + CREW_HANG_UP;
	if (c->killed == CREW_NOT_KILLED && c->kill_at <= now)
		crew_kill(m, c, impatience(c));
	return (c->kill_at < due ? c->kill_at : due);
}
