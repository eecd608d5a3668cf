/*
 * The lines of a worker's logs: they are flushed at every turn, those that are
 * lost are told of, and a worker that leaves waits for those that are left.
 */
#include <poll.h>
#include <stdatomic.h>

#include "common/base/clock.h"
#include "common/boot.h"
#include "common/conf/conf.h"
#include "common/log/audit.h"
#include "common/log/log.h"
#include "common/log/sink.h"
#include "common/shm/stats.h"
#include "common/shm/table.h"
#include "worker/worker_state.h"

/* A leaving worker waits as long as the stop allows while its logs take
 * something, and so long where they take nothing; in any case it tries for a
 * moment, since those whom the deadline met have lines too. */
#define SINK_PATIENCE  (5 * CLOCK_SEC)
#define SINK_MOMENT    (1 * CLOCK_SEC)
#define SINK_POLL_MSEC 10

/* A report that the disk, full yet, loses is no line to be reported; it is
 * tried again. */
static void
report_dropped(struct worker *w, bool flushed)
{
	const struct boot *boot = w->boot;
	uint64_t n = sink_take_dropped(boot->audit);

	if (n > 0)
		stats_add(&w->slot->count[STAT_AUDIT_DROPPED], n);
	w->untold += n;
	w->missing += n;
	/* For the master, if we die before it is told. */
	atomic_store_explicit(
	    &w->slot->audit_untold, w->missing, memory_order_relaxed);
	if (w->untold == 0 && (w->missing == 0 || !flushed))
		return;
	if (clock_now() < w->report_at)
		return;
	w->report_at = clock_now() + CLOCK_SEC;
	if (w->untold > 0)
		log_write(boot->log, LOG_LEVEL_ERROR,
		    "audit log: %llu line%s dropped: %s",
		    (unsigned long long)w->untold, w->untold == 1 ? "" : "s",
		    sink_trouble(boot->audit));
	w->untold = 0;
	if (!flushed)
		return;
	if (audit_write_dropped(boot->audit, boot->conf->log.format,
		boot->worker, boot->generation, w->missing) == 0) {
		w->missing = 0;
		atomic_store_explicit(
		    &w->slot->audit_untold, 0, memory_order_relaxed);
	} else
		(void)sink_take_dropped(boot->audit);
}

bool
worker_flush(struct worker *w)
{
	bool flushed = sink_flush(w->boot->audit);

	table_settle(w->table, sink_left(w->boot->audit));
	report_dropped(w, flushed);
	return (sink_flush(log_sink(w->boot->log)) && flushed);
}

static size_t
logs_waiting(const struct worker *w)
{
	return (sink_waiting(w->boot->audit) +
		sink_waiting(log_sink(w->boot->log)));
}

static void
tell_lost(struct worker *w)
{
	uint64_t n = atomic_load(&w->slot->audit_owed);

	if (n > 0)
		log_write(w->boot->log, LOG_LEVEL_ERROR,
		    "audit log: %llu line%s dropped: %s, and the worker ends",
		    (unsigned long long)n, n == 1 ? "" : "s",
		    sink_trouble(w->boot->audit));
}

void
worker_flush_last(struct worker *w)
{
	int64_t now = clock_now(), moved = now, end = now + SINK_MOMENT;
	size_t left = SIZE_MAX;

	if (w->hurried || w->logs_until > end)
		end = w->logs_until;
	w->report_at = 0;
	while (!worker_flush(w) && now < end && now - moved < SINK_PATIENCE) {
		if (logs_waiting(w) < left) {
			left = logs_waiting(w);
			moved = now;
		}
		atomic_store_explicit(
		    &w->slot->heartbeat, (uint64_t)now, memory_order_relaxed);
		(void)poll(NULL, 0, SINK_POLL_MSEC);
		now = clock_now();
	}
	if (w->orphaned)
		tell_lost(w);
}
