/* Opens, shares, reopens and closes the logs; see logs.h. */
#include "master/logs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "common/base/clock.h"
#include "common/log/audit.h"
#include "common/log/log.h"
#include "common/log/sink.h"
#include "master/writer.h"

/* How often a stalled reader is tried again. */
#define RETRY (50 * CLOCK_MSEC)

/* ... and for so long when time is over. */
#define MOMENT (1 * CLOCK_SEC)

struct logs_entry {
	TAILQ_ENTRY(logs_entry) entry;
	struct logs *logs;
	enum logs_role role;
	unsigned users;
	struct sink *sink; /* NULL: closed */
	bool has_writer;
	struct writer writer;
	int error;	  /* of the writer, which the error log has */
	uint64_t moved;	  /* a measure of what was written */
	int64_t moved_at; /* when something was first seen to wait since */
	bool waits;
	bool stands;	/* the error log says so */
	uint64_t stood; /* ... with so much written */
	bool given_up;
	char target[];
};

static const char *
setting(const struct logs_entry *e)
{
	return (e->role == LOGS_ERROR ? "log.error" : "log.access");
}

void
logs_init(struct logs *l, int epoll_fd, const struct writer_forget *forget)
{
	l->forget = *forget;
	TAILQ_INIT(&l->list);
	l->epoll_fd = epoll_fd;
}

struct sink *
logs_sink(const struct logs_entry *e)
{
	return (e->sink);
}

/* If it cannot be heard, its errors are not told. */
static void
watch(struct logs_entry *e)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = e };

	if (e->writer.status != -1)
		(void)epoll_ctl(
		    e->logs->epoll_fd, EPOLL_CTL_ADD, e->writer.status, &ev);
}

/* Closing alone would not do while a child that was just forked has a copy. */
static void
unwatch(struct logs_entry *e)
{
	if (e->writer.status != -1)
		(void)epoll_ctl(
		    e->logs->epoll_fd, EPOLL_CTL_DEL, e->writer.status, NULL);
}

static void
close_entry(struct logs_entry *e)
{
	sink_close(e->sink);
	e->sink = NULL;
	if (!e->has_writer)
		return;
	unwatch(e);
	writer_close(&e->writer);
	e->has_writer = false;
}

static void
entry_free(struct logs_entry *e)
{
	close_entry(e);
	TAILQ_REMOVE(&e->logs->list, e, entry);
	free(e);
}

void
logs_fini(struct logs *l)
{
	struct logs_entry *e;

	while ((e = TAILQ_FIRST(&l->list)) != NULL)
		entry_free(e);
}

static int
open_writer(struct logs_entry *e, const struct run_as *run_as)
{
	int error =
	    writer_open(&e->writer, e->target, run_as, &e->logs->forget);

	if (error != 0)
		return (error);
	e->has_writer = true;
	error = sink_new(&e->sink, e->writer.lines);
	if (error != 0)
		return (error);
	e->writer.lines = -1;
	watch(e);
	return (0);
}

static int
open_entry(struct logs_entry *e, const struct run_as *run_as)
{
	int error;

	if (e->target[0] == '/')
		return (open_writer(e, run_as));
	error = sink_open(&e->sink, e->target);
	if (error != 0 || !sink_may_block(e->sink))
		return (error);
	sink_close(e->sink);
	e->sink = NULL;
	return (open_writer(e, run_as));
}

static bool
is_file(const struct logs_entry *e)
{
	return (e->has_writer && e->target[0] == '/');
}

/* Where it fails the log goes on as it was. */
static int
reopen(struct logs_entry *e, const struct run_as *run_as)
{
	int error;

	unwatch(e);
	error = writer_reopen(&e->writer, run_as);
	watch(e);
	if (error == 0)
		e->error = 0;
	return (error);
}

static struct logs_entry *
find(struct logs *l, enum logs_role role, const char *target)
{
	struct logs_entry *e;

	TAILQ_FOREACH (e, &l->list, entry)
		if (e->users > 0 && e->role == role && e->sink != NULL &&
		    strcmp(e->target, target) == 0)
			return (e);
	return (NULL);
}

int
logs_open(struct logs *l, enum logs_role role, const char *target,
    const struct run_as *run_as, struct logs_entry **entry)
{
	struct logs_entry *e = find(l, role, target);
	size_t size = strlen(target) + 1;
	int error;

	if (e != NULL) {
		error = is_file(e) ? reopen(e, run_as) : 0;
		if (error != 0)
			return (error);
		e->users++;
		*entry = e;
		return (0);
	}
	e = calloc(1, sizeof(*e) + size);
	if (e == NULL)
		return (-ENOMEM);
	memcpy(e->target, target, size);
	e->logs = l;
	e->role = role;
	e->users = 1;
	TAILQ_INSERT_TAIL(&l->list, e, entry);
	error = open_entry(e, run_as);
	if (error != 0) {
		entry_free(e);
		return (error);
	}
	*entry = e;
	return (0);
}

/* Nothing more will come from here. False: something waits yet. */
static bool
close_lines(struct logs_entry *e)
{
	if (e->sink != NULL && !sink_flush(e->sink))
		return (false);
	sink_close(e->sink);
	e->sink = NULL;
	return (!e->has_writer || writer_ended(&e->writer));
}

void
logs_release(struct logs_entry *e)
{
	if (e == NULL || --e->users > 0)
		return;
	if (close_lines(e))
		entry_free(e);
}

void
logs_reopen(struct logs *l, struct log *log)
{
	struct logs_entry *e;
	size_t files = 0, n = 0;
	int error;

	TAILQ_FOREACH (e, &l->list, entry) {
		if (!is_file(e))
			continue;
		files++;
		error = reopen(e, &e->writer.run_as);
		n += error == 0;
		if (error != 0)
			log_write(log, LOG_LEVEL_ERROR,
			    "%s: %s cannot be opened again: %s: lines go on to "
			    "the file that was open",
			    setting(e), e->target,
			    error == -ETIMEDOUT ? "its disk does not answer"
						: sink_describe(error));
	}
	if (files == 0)
		log_write(log, LOG_LEVEL_NOTICE,
		    "logs: none was reopened, since none is a file");
	else if (n < files)
		log_write(log, LOG_LEVEL_NOTICE, "logs: %zu of %zu reopened", n,
		    files);
	else
		log_write(log, LOG_LEVEL_NOTICE, "logs: reopened");
}

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
			    setting(e), e->target, sink_describe(error));
		else
			log_write(log, LOG_LEVEL_NOTICE,
			    "%s: %s can be written again", setting(e),
			    e->target);
		e->error = error;
	}
	if (result == 0)
		unwatch(e);
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
		unwatch(e);
		(void)writer_reaped(&e->writer, pid, status, now);
		if (!writer_ended(&e->writer) && e->error == 0)
			log_write(log, LOG_LEVEL_ERROR,
			    "%s: the process that writes %s has died and is "
			    "replaced",
			    setting(e), e->target);
		if (e->users == 0 && close_lines(e))
			entry_free(e);
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
		    "%s: %s has taken nothing for %d s: lines wait", setting(e),
		    e->target, (int)(LOGS_PATIENCE / CLOCK_SEC));
	if (stands && !e->stands)
		e->stood = e->moved;
	if (!stands && e->stands && e->error == 0 && e->moved != e->stood)
		log_write(log, LOG_LEVEL_NOTICE, "%s: %s can be written again",
		    setting(e), e->target);
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
			watch(e);
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
		if (e->users == 0 && close_lines(e))
			entry_free(e);
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
			unwatch(e);
			writer_abandon(&e->writer, count_lost, lost);
		}
	}
	return (finished);
}
