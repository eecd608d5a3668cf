/* Has scribes write what dead workers have left, and tells what came of it. */
#include "master/legacy.h"

#include <stddef.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/fd.h"
#include "common/log/audit.h"
#include "common/log/log.h"
#include "common/shm/stats.h"
#include "master/death.h"
#include "master/legacy_state.h"
#include "master/logs.h"
#include "master/master.h"

/* When sniport ends, scribes have this beyond the time that tunnels have, or
 * their own worker's death if that is later, as long as they get on. */
#define STOP_PATIENCE (10 * CLOCK_SEC)
#define STOP_STILL    (2 * CLOCK_SEC)

/* The same where it ends at once. */
#define END_PATIENCE (2 * CLOCK_SEC)

/* Before that they wait so long for a log that takes nothing. */
#define STILL_PATIENCE (5 * CLOCK_SEC)

/* For a scribe that is told to leave. */
#define LEAVE_PATIENCE (1 * CLOCK_SEC)

/* So many write to a log at once. */
#define AT_ONCE 2

/* A table counts for no less than this part of what it may take, so that
 * small ones are not many, either. */
#define PART_MIN 16

/* What has become of a dead worker's lines. */
enum end {
	END_WHOLE,
	END_BROKEN,
	END_LATE,
	END_CROWDED
};

static void
drop(struct master *m, struct legacy *l)
{
	if (l->begun)
		scribe_close(&l->scribe);
	TAILQ_REMOVE(&m->legacies, l, entry);
	fd_close(&l->table);
	free(l);
}

/* Of the table the master itself looks at this one number: a worker that never
 * came to serve has left nothing. */
static bool
is_empty(int table)
{
	uint32_t high = 0;

	return (pread(table, &high, sizeof(high),
		    offsetof(struct table_head, high)) == sizeof(high) &&
		high == 0);
}

/* What the seat's tables take that wait. */
static uint64_t
waiting(const struct master *m, const struct crew *crew, unsigned worker)
{
	const struct legacy *l;
	uint64_t n = 0;

	TAILQ_FOREACH (l, &m->legacies, entry)
		if (l->crew == crew && l->worker == worker)
			n += l->taken;
	return (n);
}

static void
measure(struct legacy *l)
{
	struct stat st;

	if (fstat(l->table, &st) != 0)
		return;
	l->room = (uint64_t)st.st_size;
	l->taken = (uint64_t)st.st_blocks * 512;
	if (l->taken < l->room / PART_MIN)
		l->taken = l->room / PART_MIN;
}

/* Is it time for that one's scribe? */
static bool
is_next(const struct master *m, const struct legacy *l)
{
	const struct legacy *other;
	unsigned n = 0;

	TAILQ_FOREACH (other, &m->legacies, entry)
		n += other->begun &&
		     other->crew->audit_log == l->crew->audit_log;
	return (!l->begun && n < AT_ONCE);
}

static void
begin(struct master *m, struct legacy *l, int64_t now)
{
	l->scribe = (struct scribe){
		.source = legacy_lines(l),
		.audit = logs_sink(l->crew->audit_log),
		.run_as = l->crew->run_as,
		.forget = m->logs.forget,
	};
	/* Without memory for it, it is tried again. */
	l->begun =
	    scribe_start(&l->scribe, now) == 0 || l->scribe.state != NULL;
	l->since = now;
}

static const char *
why(const struct legacy *l, enum end end)
{
	if (end == END_CROWDED)
		return ("too much of what workers before it left waits");
	if (end != END_LATE)
		return ("what it left cannot be read or written");
	if (l->begun && scribe_waits(&l->scribe))
		return ("their log takes no more, and sniport ends");
	return ("sniport ends before they can be written");
}

/* A connection that was just being accepted, of which there can be one. */
static void
count_coming(struct master *m, const struct legacy *l)
{
	if (!l->begun || scribe_uncounted(&l->scribe) == 0)
		return;
	stats_add_total(m->shm, STAT_ACCEPTED, 1);
	stats_add_total_reason(m->shm, REASON_WORKER_DIED, 1);
}

/* How many lines nobody will write. False: it may be others, too. */
static bool
count_lost(const struct legacy *l, enum end end, uint64_t *lost)
{
	uint64_t most = l->room / TABLE_SLOT_SIZE, written = 0;

	if (end == END_WHOLE) {
		*lost = scribe_left_out(&l->scribe);
		return (true);
	}
	if (l->begun) {
		if (scribe_left(&l->scribe, lost)) {
			*lost = *lost < most ? *lost : most;
			return (true);
		}
		written = scribe_written(&l->scribe);
	}
	*lost = l->guess > written ? l->guess - written : 1;
	return (false);
}

static void
tell_written(struct master *m, const struct legacy *l, int64_t now)
{
	unsigned long long n = l->begun ? scribe_written(&l->scribe) : 0;

	if (n == 0)
		return;
	log_write(m->log, LOG_LEVEL_INFO,
	    "worker %u[%d]: audit log: %llu line%s that it left %s passed on%s",
	    l->worker, (int)l->pid, n, n == 1 ? "" : "s", n == 1 ? "is" : "are",
	    logs_is_behind(l->crew->audit_log, now) ? ", but not written yet"
						    : "");
}

static void
tell(struct master *m, const struct legacy *l, enum end end, int64_t now)
{
	uint64_t lost;
	bool exact = count_lost(l, end, &lost);

	count_coming(m, l);
	tell_written(m, l, now);
	/* To wait for it once more is of no use. */
	if (end == END_LATE)
		logs_stood(l->crew->audit_log, l->since);
	if (lost == 0)
		return;
	stats_add_total(m->shm, STAT_AUDIT_DROPPED, lost);
	log_write(m->log, LOG_LEVEL_ERROR,
	    "worker %u[%d]: audit log: %llu line%s dropped%s: %s", l->worker,
	    (int)l->pid, (unsigned long long)lost, lost == 1 ? "" : "s",
	    exact ? "" : " or more", why(l, end));
	(void)audit_write_dropped(logs_sink(l->crew->audit_log),
	    l->crew->terms->format, l->worker, l->crew->number, lost);
}

static uint64_t
load(const _Atomic uint64_t *value)
{
	return (atomic_load_explicit(value, memory_order_relaxed));
}

/* What the worker itself said, as far as it can be true. */
static void
note_worker(struct legacy *l, const struct stats_slot *slot)
{
	uint64_t open = load(&slot->tunnels), owed = load(&slot->audit_owed);
	uint64_t most = l->room / TABLE_SLOT_SIZE;

	l->accepted = load(&slot->count[STAT_ACCEPTED]);
	l->guess = open < most && owed < most - open ? open + owed : most;
}

bool
legacy_begin(struct master *m, struct child *c, int64_t now)
{
	struct legacy *l;
	bool crowded = legacy_crowded(m, c->crew, c->worker);

	if (is_empty(c->table))
		return (true);
	l = calloc(1, sizeof(*l));
	if (l == NULL)
		return (false);
	*l = (struct legacy){
		.crew = c->crew,
		.worker = c->worker,
		.pid = c->pid,
		.table = c->table,
		.died = now,
		.since = now,
		.leave_until = CLOCK_NEVER,
	};
	c->table = -1;
	measure(l);
	note_worker(l, stats_slot(m->shm, c->slot));
	TAILQ_INSERT_TAIL(&m->legacies, l, entry);
	if (crowded) {
		tell(m, l, END_CROWDED, now);
		drop(m, l);
	} else if (is_next(m, l)) {
		begin(m, l, now);
	}
	return (true);
}

bool
legacy_crowded(const struct master *m, const struct crew *crew, unsigned worker)
{
	const struct legacy *l;

	TAILQ_FOREACH (l, &m->legacies, entry)
		if (l->crew == crew && l->worker == worker)
			return (waiting(m, crew, worker) > l->room);
	return (false);
}

static void
tell_death(struct master *m, const struct legacy *l, pid_t pid, int status)
{
	char text[DEATH_TEXT_SIZE];

	death_describe(text, status);
	log_write(m->log, LOG_LEVEL_ERROR,
	    "worker %u[%d]: audit log: the scribe[%d] that writes what it left "
	    "has died: %s",
	    l->worker, (int)l->pid, (int)pid, text);
}

bool
legacy_reaped(
    struct master *m, pid_t pid, int status, int64_t now, struct crew **crew)
{
	enum scribe_end end;
	struct legacy *l;

	*crew = NULL;
	TAILQ_FOREACH (l, &m->legacies, entry) {
		if (l->begun && l->scribe.pid == pid)
			break;
	}
	if (l == NULL)
		return (false);
	end = scribe_ended(&l->scribe, status, now);
	if (end != SCRIBE_DONE && l->leave_until == CLOCK_NEVER)
		tell_death(m, l, pid, status);
	if (end == SCRIBE_GOES_ON)
		return (true);
	tell(m, l,
	    end == SCRIBE_DONE		    ? END_WHOLE
	    : l->leave_until != CLOCK_NEVER ? END_LATE
					    : END_BROKEN,
	    now);
	*crew = l->crew;
	drop(m, l);
	if (legacy_waits(m, *crew))
		*crew = NULL;
	return (true);
}

/* Does it get on, or need not yet? */
static void
note_progress(const struct master *m, struct legacy *l, int64_t now)
{
	uint64_t written = l->begun ? scribe_written(&l->scribe) : 0;

	if (master_serves(m) || !l->begun || written != l->written) {
		l->since = now;
		l->written = written;
	}
}

/* Sniport ends, and has waited long enough. */
static bool
is_late(const struct master *m, struct legacy *l, int64_t now)
{
	int64_t end = l->died > m->stop_until ? l->died : m->stop_until;

	note_progress(m, l, now);
	if (master_serves(m))
		return (false);
	if (now >= l->since + STILL_PATIENCE)
		return (true);
	if (m->stop_until >= INT64_MAX - STOP_PATIENCE || now < end)
		return (false);
	return (now >= l->since + STOP_STILL ||
		now >= end + (m->phase == MASTER_ENDING ? END_PATIENCE
							: STOP_PATIENCE));
}

/* It is told to end, and goes when that is seen, so that each line is either
 * written or not. */
static bool
is_leaving(struct legacy *l, int64_t now)
{
	if (!l->begun)
		return (false);
	if (l->leave_until != CLOCK_NEVER)
		return (now < l->leave_until);
	l->leave_until = now + LEAVE_PATIENCE;
	return (scribe_leave(&l->scribe));
}

static int64_t
tick(struct master *m, struct legacy *l, int64_t now)
{
	int64_t due = CLOCK_NEVER;

	if (is_next(m, l))
		begin(m, l, now);
	if (l->begun)
		due = scribe_tick(&l->scribe, now);
	else if (is_next(m, l))
		due = now + CLOCK_SEC;
	if (!master_serves(m) && due > now + CLOCK_SEC)
		due = now + CLOCK_SEC;
	return (due);
}

int64_t
legacy_tick(struct master *m, int64_t now)
{
	int64_t due, next = CLOCK_NEVER;
	struct legacy *l, *after;

	for (l = TAILQ_FIRST(&m->legacies); l != NULL; l = after) {
		after = TAILQ_NEXT(l, entry);
		if (is_late(m, l, now) && !is_leaving(l, now)) {
			tell(m, l, END_LATE, now);
			drop(m, l);
			continue;
		}
		due = tick(m, l, now);
		due = due < l->leave_until ? due : l->leave_until;
		next = due < next ? due : next;
	}
	return (next);
}

bool
legacy_waits(const struct master *m, const struct crew *crew)
{
	const struct legacy *l;

	TAILQ_FOREACH (l, &m->legacies, entry) {
		if (crew == NULL || l->crew == crew)
			return (true);
	}
	return (false);
}

void
legacy_fini(struct master *m)
{
	struct legacy *l;

	while ((l = TAILQ_FIRST(&m->legacies)) != NULL)
		drop(m, l);
}
