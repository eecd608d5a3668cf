/*
 * Keeps the seats of the current generation filled: hears what workers say,
 * reaps those that are gone, and replaces them.
 */
#include "master/supervise.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "common/control.h"
#include "common/log/log.h"
#include "common/shm/service.h"
#include "master/cover.h"
#include "master/crew.h"
#include "master/death.h"
#include "master/fetch.h"
#include "master/inherit.h"
#include "master/keep.h"
#include "master/legacy.h"
#include "master/losses.h"
#include "master/master.h"
#include "master/recruit.h"
#include "master/upgrade.h"
#include "master/watch.h"

static void
take_ready(struct master *m, struct child *c, int64_t now)
{
	/* Late for one that was told to drain meanwhile. */
	if (c->state != CHILD_STARTING)
		return;
	c->state = CHILD_SERVING;
	c->kill_at = CLOCK_NEVER;
	c->alive = now;
	inherit_ready(c);
	if (c->crew == m->current)
		cover_update(m, now);
	log_write(c->crew->log, LOG_LEVEL_INFO, "worker %u[%d]: ready",
	    c->worker, (int)c->pid);
}

/* Each message comes once at most, or when it was asked for: who talks without
 * end is not listened to. */
static void
take_message(struct master *m, struct child *c, uint32_t type, int64_t now)
{
	if (type == CONTROL_READY && !c->told_ready) {
		c->told_ready = true;
		take_ready(m, c, now);
	} else if (type == CONTROL_PONG && c->asked) {
		c->asked = false;
		c->missed = CLOCK_NEVER;
	} else if (type == CONTROL_EMPTIED && !c->told_emptied &&
		   c->state > CHILD_SERVING) {
		c->told_emptied = true;
		keep_emptied(m, c);
	} else {
		crew_kill(m, c, CREW_OUT_OF_TURN);
	}
}

/*
 * Closing alone would not take it out of the epoll set: a worker that was
 * just forked has a copy until it closes what is not its own.
 */
static void
hang_up(struct master *m, struct child *c)
{
	if (c->control_fd < 0)
		return;
	(void)epoll_ctl(m->epoll_fd, EPOLL_CTL_DEL, c->control_fd, NULL);
	fd_close(&c->control_fd);
}

void
supervise_receive(struct master *m, struct child *c, int64_t now)
{
	int fds[CONTROL_FDS_MAX];
	struct control_msg msg;
	size_t nfds;
	int result;

	/* One that was killed may go on talking until it is dead. */
	while (c->control_fd >= 0 && c->killed == CREW_NOT_KILLED) {
		result = control_recv(c->control_fd, &msg, fds, &nfds);
		if (result == -EAGAIN)
			return;
		if (result == 1) {
			while (nfds > 0)
				fd_close(&fds[--nfds]);
			take_message(m, c, msg.type, now);
			continue;
		}
		if (result < 0)
			crew_kill(m, c, CREW_NOT_A_MESSAGE);
		else if (c->kill_at > now + CREW_HANG_UP)
			c->kill_at = now + CREW_HANG_UP;
		break;
	}
	/* Nobody could tell it to drain. */
	hang_up(m, c);
}

static void
vacate(struct master *m, struct child *c, int64_t now)
{
	struct seat *seat = &c->crew->seats[c->worker];
	int64_t delay;

	if (c->crew != m->current || !master_serves(m) || seat->child != c)
		return;
	if (c->crew->generation == NULL) {
		log_write(m->log, LOG_LEVEL_WARNING,
		    "worker %u: is not replaced: the configuration that it "
		    "was started with is not there",
		    c->worker);
		/* Which a reload gives, unless one is under way. */
		m->reload_wanted = m->reload_wanted || !m->upgrade.handed;
		return;
	}
	delay = backoff_next(&seat->backoff, now - c->started);
	seat->spawn_at = now + delay;
	seat->crowded_until = now + BACKOFF_MAX;
	/* The later of the two counts. */
	if (delay < BACKOFF_MAX && legacy_crowded(m, c->crew, c->worker))
		log_write(m->log, LOG_LEVEL_WARNING,
		    "worker %u: is replaced when less of what it left waits "
		    "for the audit log, after %lld s at the earliest and %lld "
		    "s at the latest",
		    c->worker, (long long)(delay / CLOCK_SEC),
		    (long long)(BACKOFF_MAX / CLOCK_SEC));
	else if (delay > 0)
		log_write(m->log, LOG_LEVEL_WARNING,
		    "worker %u: died again: replaced in %lld s", c->worker,
		    (long long)(delay / CLOCK_SEC));
}

/* Nobody serves for it, and nobody writes for those who did. */
static void
drop_if_gone(struct master *m, struct crew *crew)
{
	if (crew == NULL || crew == m->current || crew == m->next ||
	    !TAILQ_EMPTY(&crew->children) || legacy_waits(m, crew))
		return;
	log_write(m->log, LOG_LEVEL_INFO, "generation %u: gone", crew->number);
	TAILQ_REMOVE(&m->crews, crew, entry);
	crew_free(crew, m->shm);
}

static void
bury(struct master *m, struct child *c, int status, int64_t now)
{
	struct crew *crew = c->crew;
	bool expected = c->state > CHILD_SERVING && status == 0;
	char text[DEATH_TEXT_SIZE];

	death_describe(text, status);
	if (crew != m->next)
		log_write(m->log,
		    expected			   ? LOG_LEVEL_INFO
		    : c->killed != CREW_NOT_KILLED ? LOG_LEVEL_WARNING
						   : LOG_LEVEL_ERROR,
		    "worker %u[%d] of generation %u: %s: %s", c->worker,
		    (int)c->pid, crew->number, expected ? "ended" : "died",
		    text);
	else
		findings_add(&m->findings, LOG_LEVEL_ERROR,
		    "worker %u[%d]: start: died before all were ready: %s",
		    c->worker, (int)c->pid,
		    c->killed != CREW_NOT_KILLED ? crew_cause(c->killed)
						 : text);
	crew_note_numbers(c, m->shm);
	losses_inherit(m, c, !expected && legacy_begin(m, c, now));
	vacate(m, c, now);
	hang_up(m, c);
	regain_inherit(m, c);
	keep_inherit(m, c, now);
	admin_tell_gone(m, c);
	if (!expected && crew != m->next)
		service_add(m->shm, SERVICE_WORKERS_DIED, 1);
	crew_forget(c, m->shm);
	if (!expected) {
		cover_heal(m, now);
		cover_update(m, now);
	}
	drop_if_gone(m, crew);
}

void
supervise_reap(struct master *m, int64_t now)
{
	struct crew *crew;
	struct child *c;
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		/* As process 1 of a container we also get orphans. */
		c = crew_find(&m->crews, pid);
		if (c != NULL)
			bury(m, c, status, now);
		else if (legacy_reaped(m, pid, status, now, &crew))
			drop_if_gone(m, crew);
		else if (!admin_reaped(m, pid, status, now) &&
			 !upgrade_reaped(m, pid, status))
			logs_reaped(&m->logs, pid, status, now, m->log);
	}
}

/* Fills the seat when it is time; returns when that will be. */
static int64_t
fill(struct master *m, unsigned worker, int64_t now)
{
	struct seat *seat = &m->current->seats[worker];
	const char *step;
	int error;

	if (seat->child != NULL || m->current->generation == NULL)
		return (CLOCK_NEVER);
	if (seat->spawn_at > now)
		return (seat->spawn_at);
	if (seat->crowded_until > now && legacy_crowded(m, m->current, worker))
		return (seat->crowded_until);
	error = recruit_worker(m, m->current, worker, now, &step);
	if (error == 0)
		return (seat->child->kill_at);
	seat->spawn_at = now + BACKOFF_FIRST;
	log_write(m->log, LOG_LEVEL_ERROR, "worker %u: replace: %s: %s", worker,
	    step, strerror(-error));
	cover_update(m, now);
	return (seat->spawn_at);
}

int64_t
supervise_tick(struct master *m, int64_t now)
{
	int64_t due, next = CLOCK_NEVER;
	struct crew *crew;
	struct child *c;

	if (m->current != NULL && master_serves(m)) {
		for (size_t i = 0; i < m->current->nworkers; i++) {
			due = fill(m, (unsigned)i, now);
			next = due < next ? due : next;
		}
	}
	due = fetch_tick(m, now);
	next = due < next ? due : next;
	TAILQ_FOREACH (crew, &m->crews, entry) {
		TAILQ_FOREACH (c, &crew->children, entry) {
			due = watch_child(m, c, now);
			next = due < next ? due : next;
		}
	}
	return (next);
}

bool
supervise_healthy(const struct master *m, int64_t now)
{
	const struct child *c;

	if (m->current == NULL)
		return (false);
	TAILQ_FOREACH (c, &m->current->children, entry) {
		if (c->doubted != CLOCK_NEVER &&
		    now - c->doubted > m->current->terms->watchdog)
			return (false);
	}
	return (true);
}
