/* Counts and tells of lines that nobody else can tell of any more. */
#include "master/losses.h"

#include "common/base/clock.h"
#include "common/log/audit.h"
#include "common/log/log.h"
#include "common/log/sink.h"
#include "common/shm/stats.h"
#include "master/logs.h"
#include "master/master.h"

static uint64_t
load(const _Atomic uint64_t *value)
{
	return (atomic_load_explicit(value, memory_order_relaxed));
}

/* So much of what a worker says of itself can be true. */
static uint64_t
believed(uint64_t lines, uint64_t most)
{
	return (lines < most ? lines : most);
}

static const char *
plural(uint64_t n)
{
	return (n == 1 ? "" : "s");
}

/* One that leaves waits for logs that take nothing; to wait for them once more
 * is of no use. */
static void
note_waiting(struct master *m, struct logs_entry *log)
{
	if (!master_serves(m))
		logs_stood(log, clock_now() - LOGS_PATIENCE);
}

/* Connections that the worker had when it died. Each that it has counted has a
 * reason; who was broken into cannot have more than this. */
static uint64_t
unended(const struct stats_slot *slot, const struct crew *crew)
{
	uint64_t most = (uint64_t)crew_tunnels_most(crew);
	uint64_t accepted = load(&slot->count[STAT_ACCEPTED]), ended = 0;
	size_t i;

	for (i = 0; i < REASON_COUNT; i++)
		ended += load(&slot->reason[i]);
	return (accepted > ended ? believed(accepted - ended, most) : 0);
}

void
losses_inherit(struct master *m, const struct child *c, bool written)
{
	const struct stats_slot *slot = stats_slot(m->shm, c->slot);
	const struct crew *crew = c->crew;
	uint64_t lost =
	    written ? 0 : believed(load(&slot->audit_owed), SINK_QUEUE_BYTES);
	uint64_t untold = believed(load(&slot->audit_untold),
	    believed(load(&slot->count[STAT_AUDIT_DROPPED]), STATS_BELIEVED));
	uint64_t errors = believed(load(&slot->error_owed), SINK_QUEUE_BYTES);

	stats_add_total_reason(m->shm, REASON_WORKER_DIED, unended(slot, crew));
	if (lost > 0) {
		note_waiting(m, crew->audit_log);
		stats_add_total(m->shm, STAT_AUDIT_DROPPED, lost);
		log_write(m->log, LOG_LEVEL_ERROR,
		    "worker %u[%d]: audit log: %llu line%s dropped: the worker "
		    "ended before they could be written",
		    c->worker, (int)c->pid, (unsigned long long)lost,
		    plural(lost));
	}
	if (errors > 0) {
		note_waiting(m, crew->error_log);
		log_write(m->log, LOG_LEVEL_WARNING,
		    "worker %u[%d]: error log: %llu line%s lost: the worker "
		    "ended before they could be written",
		    c->worker, (int)c->pid, (unsigned long long)errors,
		    plural(errors));
	}
	if (lost + untold > 0)
		(void)audit_write_dropped(logs_sink(crew->audit_log),
		    crew->terms->format, c->worker, crew->number,
		    lost + untold);
}

void
losses_final(struct master *m, uint64_t audit_lines)
{
	if (audit_lines == 0)
		return;
	log_write(m->log, LOG_LEVEL_ERROR,
	    "audit log: %llu line%s dropped: it takes no more, and sniport "
	    "ends",
	    (unsigned long long)audit_lines, plural(audit_lines));
	stats_add_total(m->shm, STAT_AUDIT_DROPPED, audit_lines);
}
