/* Stops the master: gently or at once, and with all lines written. */
#include "master/stop.h"

#include <stdio.h>

#include "common/base/clock.h"
#include "common/log/log.h"
#include "master/keep.h"
#include "master/legacy.h"
#include "master/losses.h"
#include "master/master.h"
#include "master/order.h"
#include "master/publish.h"
#include "master/status.h"
#include "master/totals.h"

/* Until it is over, the service manager is asked for more time so often. */
#define EXTEND_EVERY (5 * CLOCK_SEC)
#define EXTEND_BY    (15 * CLOCK_SEC)

#define END_PATIENCE (1 * CLOCK_SEC)

/* Whoever writes them says seldom that he is done. */
#define LOGS_RETRY (50 * CLOCK_MSEC)

/* A reload that is under way, or is to come, will not come about. */
static void
forget_reload(struct master *m)
{
	if (m->current != NULL &&
	    (m->next != NULL || m->reading || m->reload_wanted))
		log_write(m->log, LOG_LEVEL_WARNING,
		    "reload: given up: sniport is stopping");
	m->next = NULL;
	m->reload_wanted = false;
	findings_fini(&m->findings);
}

void
stop_at_once(struct master *m)
{
	struct crew *crew;

	m->phase = MASTER_ENDING;
	publish(m);
	keep_nothing(m);
	m->stop_until = clock_now() + END_PATIENCE;
	if (m->logs_until > m->stop_until && m->logs_until != CLOCK_NEVER)
		m->logs_until = m->stop_until;
	if (m->done)
		return;
	forget_reload(m);
	TAILQ_FOREACH (crew, &m->crews, entry) {
		order_end(m, crew, REASON_STOPPED, END_PATIENCE);
		regain_drop(m, crew);
	}
	listener_fini(&m->listeners);
	log_write(m->log, LOG_LEVEL_NOTICE, "stop: at once");
	notify_send(&m->notify, "STOPPING=1\nSTATUS=Stopping at once\n");
}

/* A time as it was configured. */
static const char *
put_time(int64_t time, char text[32])
{
	bool whole = time % CLOCK_SEC == 0;

	snprintf(text, 32, "%lld%s",
	    (long long)(time / (whole ? CLOCK_SEC : CLOCK_MSEC)),
	    whole ? "s" : "ms");
	return (text);
}

/* Workers accept what is queued before they drain, so our copies of the
 * sockets are closed after they were told. */
static void
drain_all(struct master *m)
{
	int64_t drain = m->current->terms->drain;
	int64_t deadline = clock_now() + drain;
	struct crew *crew;
	uint64_t tunnels;
	char text[32];

	m->phase = MASTER_DRAINING;
	publish(m);
	m->stop_until = deadline;
	/* Before any of them is told. */
	tunnels = crew_tunnels(&m->crews, m->shm);
	forget_reload(m);
	m->extend_at = 0;
	keep_listeners(m, m->current, UINT64_MAX);
	TAILQ_FOREACH (crew, &m->crews, entry) {
		order_drain(
		    m, crew, REASON_DRAIN_DEADLINE, deadline, UINT64_MAX);
		regain_drop(m, crew);
	}
	keep_fill(m, m->current, clock_now());
	listener_fini(&m->listeners);
	log_write(m->log, LOG_LEVEL_NOTICE,
	    "stop: draining %llu tunnel%s for at most %s",
	    (unsigned long long)tunnels, tunnels == 1 ? "" : "s",
	    put_time(drain, text));
	notify_send(&m->notify, "STOPPING=1\nSTATUS=Draining\n");
}

/* Clients come until they have heard that they are not to: all goes on, but
 * that nothing new is begun. */
static void
begin_grace(struct master *m, int64_t grace)
{
	char text[32];

	m->phase = MASTER_GRACE;
	publish(m);
	m->stop_until = clock_now() + grace;
	m->extend_at = 0;
	/* What was started for it is undone like any reload that fails. */
	if (m->next != NULL)
		findings_add(&m->findings, LOG_LEVEL_ERROR,
		    "reload: given up: sniport is stopping");
	else
		forget_reload(m);
	log_write(m->log, LOG_LEVEL_NOTICE,
	    "stop: accepting for another %s, then draining",
	    put_time(grace, text));
	status_stopping(m);
}

void
stop_gently(struct master *m)
{
	if (m->current == NULL)
		stop_at_once(m);
	else if (m->current->terms->grace > 0)
		begin_grace(m, m->current->terms->grace);
	else
		drain_all(m);
}

/* Is there a stop, and nobody left who has lines to write? */
static bool
workers_gone(const struct master *m)
{
	const struct crew *crew;

	if (master_serves(m))
		return (false);
	TAILQ_FOREACH (crew, &m->crews, entry) {
		if (!TAILQ_EMPTY(&crew->children))
			return (false);
	}
	return (!legacy_waits(m, NULL));
}

static bool
finish_role(struct master *m, enum logs_role role, int64_t now, uint64_t *lost)
{
	struct logs_bounds bounds = { m->logs_until, m->logs_until };

	/* The last lines of all are few. */
	if ((m->phase != MASTER_ENDING || role == LOGS_ERROR) &&
	    bounds.end < CLOCK_NEVER - LOGS_PATIENCE)
		bounds.end += LOGS_PATIENCE;
	return (logs_finish(&m->logs, role, now, &bounds, lost));
}

/* Are all lines written, or given up? Last is the error log, which says what
 * became of the audit log, and has a moment for that however long the other was
 * waited for. */
static bool
finish_logs(struct master *m)
{
	int64_t now = clock_now();
	uint64_t lost = 0;

	if (m->logs_until == CLOCK_NEVER)
		m->logs_until = m->stop_until > now + END_PATIENCE
				    ? m->stop_until
				    : now + END_PATIENCE;
	if (!m->done) {
		if (!finish_role(m, LOGS_AUDIT, now, &lost))
			return (false);
		losses_final(m, lost);
		if (m->current != NULL) {
			totals_log(m->shm, m->log);
			log_write(m->log, LOG_LEVEL_NOTICE, "stop: done");
		}
		m->done = true;
		if (m->logs_until < now + END_PATIENCE)
			m->logs_until = now + END_PATIENCE;
	}
	return (finish_role(m, LOGS_ERROR, now, &lost));
}

static void
tell_left(const struct master *m)
{
	uint64_t n = crew_tunnels(&m->crews, m->shm);

	notify_send(&m->notify, "STATUS=Draining: %llu tunnel%s left\n",
	    (unsigned long long)n, n == 1 ? "" : "s");
}

static int64_t
tick_extend(struct master *m, int64_t now)
{
	if (m->phase != MASTER_DRAINING && m->phase != MASTER_GRACE)
		return (CLOCK_NEVER);
	if (m->extend_at <= now) {
		notify_send(&m->notify, "EXTEND_TIMEOUT_USEC=%lld\n",
		    (long long)(EXTEND_BY / CLOCK_USEC));
		if (m->phase == MASTER_DRAINING)
			tell_left(m);
		m->extend_at = now + EXTEND_EVERY;
	}
	return (m->extend_at);
}

int64_t
stop_tick(struct master *m, int64_t now)
{
	int64_t next, logs = m->logs_until;

	if (m->phase == MASTER_GRACE && m->stop_until <= now)
		drain_all(m);
	next = tick_extend(m, now);
	if (m->phase == MASTER_GRACE && m->stop_until < next)
		next = m->stop_until;
	if (logs <= now)
		logs = now + LOGS_RETRY;
	return (logs < next ? logs : next);
}

bool
stop_is_over(struct master *m)
{
	return (workers_gone(m) && finish_logs(m));
}
