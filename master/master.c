/*
 * The master's loop: waits for signals, children and deadlines, and calls whom
 * they concern.
 */
#include "master/master.h"

#include <errno.h>
#include <sys/epoll.h>

#include "common/base/clock.h"
#include "common/base/pause.h"
#include "master/legacy.h"
#include "master/order.h"
#include "master/patience.h"
#include "master/reload.h"
#include "master/rotate.h"
#include "master/signals.h"
#include "master/status.h"
#include "master/stop.h"
#include "master/supervise.h"
#include "master/upgrade.h"
#include "master/validity.h"

#define EVENTS_MAX 64

/* Children are freed only by the reaping that comes after all events, so no
 * event points to one that is gone. */
static int
wait_events(struct master *m, int timeout)
{
	struct epoll_event events[EVENTS_MAX];
	int64_t now;
	int n;

	n = epoll_wait(m->epoll_fd, events, EVENTS_MAX, timeout);
	if (n < 0)
		return (errno == EINTR ? 0 : -errno);
	now = clock_now();
	for (int i = 0; i < n; i++) {
		if (events[i].data.ptr == NULL)
			signals_take(m);
		else if (!renewal_receive(
			     &m->renewal, events[i].data.ptr, now) &&
			 !fetch_receive(m, events[i].data.ptr, now) &&
			 !admin_receive(m, events[i].data.ptr, now) &&
			 !lines_receive(m, events[i].data.ptr, now) &&
			 !upgrade_receive(m, events[i].data.ptr) &&
			 !logs_receive(&m->logs, events[i].data.ptr, m->log))
			supervise_receive(m, events[i].data.ptr, now);
	}
	if (m->reap_wanted) {
		m->reap_wanted = false;
		supervise_reap(m, now);
	}
	return (0);
}

/* Tells the service manager that all is well; returns when to do so again. */
static int64_t
tick_watchdog(struct master *m, int64_t now)
{
	if (m->notify.watchdog == 0)
		return (CLOCK_NEVER);
	if (m->watchdog_at <= now) {
		if (supervise_healthy(m, now))
			notify_send(&m->notify, "WATCHDOG=1\n");
		m->watchdog_at = now + m->notify.watchdog / 2;
	}
	return (m->watchdog_at);
}

static int64_t
earlier(int64_t a, int64_t b)
{
	return (a < b ? a : b);
}

/* Only what serves is kept for whoever is started next. */
static int64_t
tick_store(struct master *m, int64_t now)
{
	if (m->current == NULL || !master_serves(m))
		return (CLOCK_NEVER);
	return (listener_store(&m->listeners, m->log, now));
}

/* Does what time demands; returns for how long nothing is to be done, as
 * epoll_wait(2) wants it. */
static int
tick(struct master *m)
{
	int64_t now = clock_now(), next;

	next = supervise_tick(m, now);
	next = earlier(next, legacy_tick(m, now));
	next = earlier(next, admin_tick(m, now));
	next = earlier(next, lines_tick(m, now));
	next = earlier(next, listener_tick(&m->listeners, now));
	next = earlier(next, tick_store(m, now));
	next = earlier(next, order_limit(m, now));
	next = earlier(next, stop_tick(m, now));
	next = earlier(next, rotate_tick(m, now));
	next = earlier(next, tick_watchdog(m, now));
	next = earlier(next, status_tick(m, now));
	next = earlier(next, memory_tick(m, now));
	next = earlier(next, validity_tick(m, now));
	next = earlier(next, upgrade_tick(m, now));
	next = earlier(next, renewal_tick(m, now));
	next = earlier(next, logs_tick(&m->logs, now, m->log));
	if (next == CLOCK_NEVER)
		return (-1);
	if (next <= now)
		return (0);
	/* Rounded up, or the last part of a millisecond would be spun away. */
	next = (next - now + CLOCK_MSEC - 1) / CLOCK_MSEC;
	return (next < 3600 * 1000 ? (int)next : 3600 * 1000);
}

/*
 * One turn of the loop while a configuration is read. It does all but go on
 * with a reload or an upgrade. A stop ends the reading. Children that are
 * forked meanwhile have a copy of what was read so far, but no keys: they are
 * not read by steps.
 */
static int
turn_cb(void *arg)
{
	struct master *m = arg;
	int error;

	/* What it begins is not to be interrupted. */
	patience_hold(true);
	(void)tick(m);
	error = wait_events(m, 0);
	patience_hold(false);
	return (m->phase == MASTER_RUNNING ? error : -ECANCELED);
}

int
master_loop(struct master *m)
{
	struct pause pause;
	int error = 0;

	while (error == 0) {
		if (m->reload_wanted && m->next == NULL &&
		    m->phase == MASTER_RUNNING && !upgrade_is_busy(m)) {
			m->reload_wanted = false;
			pause_init(&pause, turn_cb, m);
			reload_begin(m, &pause);
		}
		reload_step(m);
		upgrade_step(m);
		if (stop_is_over(m))
			break;
		error = wait_events(m, tick(m));
	}
	return (error);
}
