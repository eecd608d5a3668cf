/*
 * Watches over the logs: writes what waits, hears and replaces their writers,
 * tells of logs that stand still, and at the end waits for them or gives up.
 */
#include <stdint.h>
#include <sys/types.h>

#include "common/base/clock.h"
#include "common/log/audit.h"
#include "common/log/log.h"
#include "common/log/sink.h"
#include "master/logs.h"
#include "master/logs_state.h"
#include "master/writer.h"

/* How often a stalled reader is tried again. */
#define RETRY (50 * CLOCK_MSEC)

/* A log that stands still when time is over is waited for so long. */
#define MOMENT (1 * CLOCK_SEC)

bool
logs_receive(struct logs *l, const void *entry, struct log *log)
{
	struct logs_entry *e;
	int error, result;

	TAILQ_FOREACH (e, &l->list, entry)
		if (e == entry)
			break;
	if (e == NULL)
		return (false);
	while ((result = writer_receive(&e->writer, &error)) == 1) {
		if (error == e->error)
			continue;
		if (error != 0)
			log_write(log, LOG_LEVEL_ERROR,
			    "%s: %s cannot be written: %s: lines wait",
			    logs_setting(e), e->target, sink_describe(error));
		else
			log_write(log, LOG_LEVEL_NOTICE,
			    "%s: %s can be written again", logs_setting(e),
			    e->target);
		e->error = error;
	}
	if (result == 0)
		logs_unhear(e);
	return (true);
}

void
logs_reaped(struct logs *l, pid_t pid, int status, int64_t now, struct log *log)
{
	struct logs_entry *e;

	TAILQ_FOREACH (e, &l->list, entry) {
		if (!e->has_writer || e->writer.pid != pid)
			continue;
		/* Its last words. */
		(void)logs_receive(l, e, log);
		logs_unhear(e);
		(void)writer_reaped(&e->writer, pid, status, now);
		if (!writer_ended(&e->writer) && e->error == 0)
			log_write(log, LOG_LEVEL_ERROR,
			    "%s: the process that writes %s has died and is "
			    "replaced",
			    logs_setting(e), e->target);
		logs_tidy(e);
		return;
	}
}

static size_t
waiting(const struct logs_entry *e)
{
	return ((e->sink != NULL ? sink_waiting(e->sink) : 0) +
		(e->has_writer ? writer_waiting(&e->writer) : 0));
}

static uint64_t
written(const struct logs_entry *e)
{
	if (e->has_writer)
		return (writer_written(&e->writer));
	return (e->sink != NULL ? sink_written(e->sink) : e->moved);
}

/* For how long something has waited and nothing was written. */
static int64_t
standstill(struct logs_entry *e, int64_t now)
{
	size_t left = waiting(e);
	uint64_t moved = written(e);

	if (left == 0 || !e->waits || moved != e->moved)
		e->moved_at = now;
	e->waits = left > 0;
	e->moved = moved;
	return (now - e->moved_at);
}

void
logs_stood(struct logs_entry *e, int64_t since)
{
	if (e->has_writer || e->sink == NULL)
		return;
	if (!e->waits || since < e->moved_at)
		e->moved_at = since;
	e->waits = true;
	e->moved = written(e);
}

bool
logs_is_behind(struct logs_entry *e, int64_t now)
{
	return (e->error != 0 || standstill(e, now) >= MOMENT);
}

/* A disk that hangs gives no error. That it takes lines again is said when it
 * has: those that wait may also be given up. */
static void
tell_standstill(struct logs_entry *e, int64_t now, struct log *log)
{
	bool stands = standstill(e, now) >= LOGS_PATIENCE && e->error == 0;

	if (e->given_up)
		return;
	if (stands && !e->stands)
		log_write(log, LOG_LEVEL_ERROR,
		    "%s: %s has taken nothing for %d s: lines wait",
		    logs_setting(e), e->target,
		    (int)(LOGS_PATIENCE / CLOCK_SEC));
	if (stands && !e->stands)
		e->stood = e->moved;
	if (!stands && e->stands && e->error == 0 && e->moved != e->stood)
		log_write(log, LOG_LEVEL_NOTICE, "%s: %s can be written again",
		    logs_setting(e), e->target);
	e->stands = stands;
}

static int64_t
tick_entry(struct logs_entry *e, int64_t now, struct log *log)
{
	int64_t next = CLOCK_NEVER, due;
	pid_t before = e->writer.pid;

	if (e->sink != NULL && !sink_flush(e->sink))
		next = now + RETRY;
	tell_standstill(e, now, log);
	if (e->has_writer && !e->given_up) {
		due = writer_tick(&e->writer, now);
		next = due < next ? due : next;
		if (e->writer.pid != before)
			logs_hear(e);
	}
	due = e->moved_at + LOGS_PATIENCE;
	return (e->waits && !e->stands && due < next ? due : next);
}

int64_t
logs_tick(struct logs *l, int64_t now, struct log *log)
{
	struct logs_entry *e, *next;
	int64_t due, first = CLOCK_NEVER;

	for (e = TAILQ_FIRST(&l->list); e != NULL; e = next) {
		next = TAILQ_NEXT(e, entry);
		due = tick_entry(e, now, log);
		first = due < first ? due : first;
		logs_tidy(e);
	}
	return (first);
}

static void
count_lost(void *lost, const char *line, size_t len)
{
	/* One that says how many are missing is none of them. */
	if (!audit_tells_dropped(line, len))
		++*(uint64_t *)lost;
}

/* False: there is something to be waited for. */
static bool
finish_entry(struct logs_entry *e)
{
	if (e->given_up)
		return (true);
	if (e->sink != NULL && !sink_flush(e->sink))
		return (false);
	if (!e->has_writer)
		return (true);
	if (e->sink != NULL)
		writer_end(&e->writer);
	return (writer_ended(&e->writer));
}

/* Has it been waited for long enough? Who has taken all it was given may still
 * have to say so. */
static bool
is_late(struct logs_entry *e, int64_t now, const struct logs_bounds *bounds)
{
	int64_t still = standstill(e, now);

	return (still >= LOGS_PATIENCE || now >= bounds->end ||
		(now >= bounds->until && still >= MOMENT));
}

bool
logs_finish(struct logs *l, enum logs_role role, int64_t now,
    const struct logs_bounds *bounds, uint64_t *lost)
{
	struct logs_entry *e;
	bool finished = true;

	TAILQ_FOREACH (e, &l->list, entry) {
		if (e->role != role || finish_entry(e))
			continue;
		if (!is_late(e, now, bounds)) {
			finished = false;
			continue;
		}
		e->given_up = true;
		if (e->sink != NULL)
			sink_abandon(e->sink, count_lost, lost);
		if (e->has_writer) {
			logs_unhear(e);
			writer_abandon(&e->writer, count_lost, lost);
		}
	}
	return (finished);
}
