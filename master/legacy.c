/* Has scribes write what dead workers have left, and tells what came of it. */
#include "master/legacy.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/queue.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/fd.h"
#include "common/log/audit.h"
#include "common/log/log.h"
#include "common/shm/stats.h"
#include "common/shm/table.h"
#include "master/logs.h"
#include "master/master.h"
#include "master/scribe.h"

/* When sniport ends, lines wait no longer than tunnels may, and so long where
 * their log takes nothing. */
#define STOP_PATIENCE  (1 * CLOCK_SEC)
#define STILL_PATIENCE (5 * CLOCK_SEC)

struct legacy {
	TAILQ_ENTRY(legacy) entry;
	struct scribe scribe;
	struct crew *crew;
	unsigned worker;
	pid_t pid; /* of the worker */
	int table;
	int64_t died;
	/* Since when it has had so many lines written. */
	int64_t since;
	uint64_t written;
	/* In the scribe. */
	struct table_reader reader;
	struct terms_names names;
	struct table_entry found;
};

/* Maps the table, which nobody can shrink; all of it stays mapped. */
static int
open_table(void *arg)
{
	struct legacy *l = arg;
	struct stat st;
	void *map;
	int error;

	if (fstat(l->table, &st) != 0)
		return (-errno);
	map =
	    mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, l->table, 0);
	if (map == MAP_FAILED)
		return (-errno);
	error = terms_names_init(&l->names, l->crew->terms);
	if (error != 0)
		return (error);
	return (table_reader_init(&l->reader, map, (size_t)st.st_size));
}

/* It was open until its worker died. */
static void
break_off(const struct legacy *l, struct tunnel_facts *f)
{
	if (f->reason == REASON_NONE)
		f->reason = REASON_WORKER_DIED;
	f->total_ns = l->died > f->accepted ? l->died - f->accepted : -1;
}

/* Of connections that say nothing there may be no line. */
static bool
find(void *arg, uint64_t *at)
{
	struct legacy *l = arg;
	bool all = l->crew->terms->silent_connections;

	if (*at > l->reader.slots)
		return (false);
	l->reader.next = (uint32_t)*at;
	while (table_read(&l->reader, &l->found)) {
		*at = l->found.slot;
		if (all || !l->found.facts.silent)
			return (true);
	}
	return (false);
}

static size_t
compose(void *arg, char *line, size_t size, bool *broken)
{
	struct legacy *l = arg;
	struct table_entry *e = &l->found;
	const struct audit_line audit = {
		.event = AUDIT_END,
		.facts = &e->facts,
		.text = e->text,
		.names = &l->names.names,
	};

	*broken = !e->ended;
	if (!e->ended)
		break_off(l, &e->facts);
	return (audit_format(&audit, l->crew->terms->format, line, size));
}

static void
drop(struct master *m, struct legacy *l)
{
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

bool
legacy_begin(struct master *m, struct child *c, int64_t now)
{
	struct legacy *l;

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
		.scribe = {
			.source = { open_table, find, compose, l },
			.audit = logs_sink(c->crew->audit_log),
			.run_as = c->crew->run_as,
			.forget = m->logs.forget,
		},
	};
	c->table = -1;
	TAILQ_INSERT_TAIL(&m->legacies, l, entry);
	if (scribe_start(&l->scribe, now) == 0 || l->scribe.state != NULL)
		return (true);
	drop(m, l);
	return (false);
}

static void
tell(struct master *m, const struct legacy *l, bool whole)
{
	unsigned long long written = scribe_written(&l->scribe);
	uint64_t lost = l->scribe.left_out + (whole ? 0 : 1);

	stats_add_total_reason(
	    m->shm, REASON_WORKER_DIED, scribe_broken(&l->scribe));
	if (written > 0)
		log_write(m->log, LOG_LEVEL_INFO,
		    "worker %u[%d]: audit log: %llu line%s that it left %s "
		    "written",
		    l->worker, (int)l->pid, written, written == 1 ? "" : "s",
		    written == 1 ? "is" : "are");
	if (lost == 0)
		return;
	stats_add_total(m->shm, STAT_AUDIT_DROPPED, lost);
	log_write(m->log, LOG_LEVEL_ERROR,
	    "worker %u[%d]: audit log: %llu line%s dropped%s: what it left "
	    "cannot be read or written",
	    l->worker, (int)l->pid, (unsigned long long)lost,
	    lost == 1 ? "" : "s", whole ? "" : " or more");
	(void)audit_write_dropped(logs_sink(l->crew->audit_log),
	    l->crew->terms->format, l->worker, l->crew->number, lost);
}

bool
legacy_reaped(
    struct master *m, pid_t pid, int status, int64_t now, struct crew **crew)
{
	enum scribe_end end;
	struct legacy *l;

	*crew = NULL;
	TAILQ_FOREACH (l, &m->legacies, entry) {
		if (l->scribe.pid == pid)
			break;
	}
	if (l == NULL)
		return (false);
	end = scribe_ended(&l->scribe, status, now);
	if (end == SCRIBE_GOES_ON)
		return (true);
	tell(m, l, end == SCRIBE_DONE);
	*crew = l->crew;
	drop(m, l);
	if (legacy_waits(m, *crew))
		*crew = NULL;
	return (true);
}

/* Sniport ends, and has waited long enough. */
static bool
is_late(const struct master *m, struct legacy *l, int64_t now)
{
	uint64_t written = scribe_written(&l->scribe);

	if (m->phase == MASTER_RUNNING || written != l->written) {
		l->since = now;
		l->written = written;
	}
	return (now >= l->since + STILL_PATIENCE ||
		(m->phase != MASTER_RUNNING &&
		    m->stop_until < INT64_MAX - STOP_PATIENCE &&
		    now >= m->stop_until + STOP_PATIENCE));
}

int64_t
legacy_tick(struct master *m, int64_t now)
{
	int64_t due, next = CLOCK_NEVER;
	struct legacy *l, *after;

	for (l = TAILQ_FIRST(&m->legacies); l != NULL; l = after) {
		after = TAILQ_NEXT(l, entry);
		if (is_late(m, l, now)) {
			tell(m, l, false);
			drop(m, l);
			continue;
		}
		due = scribe_tick(&l->scribe, now);
		if (m->phase != MASTER_RUNNING && due > now + CLOCK_SEC)
			due = now + CLOCK_SEC;
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
