/*
 * Starts admin processes and looks after them, while the master has nothing
 * better to do.
 */
#include "master/admin.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/wait.h>

#include "common/base/clock.h"
#include "common/base/fd.h"
#include "common/control.h"
#include "common/log/log.h"
#include "common/shm/service.h"
#include "master/admin_spawn.h"
#include "master/death.h"
#include "master/master.h"
#include "master/upgrade.h"
#include "master/order.h"

/* What the old one has for requests that it was sent, and a moment more until
 * it is killed. */
#define DRAIN_TIME (5 * CLOCK_SEC)
#define KILL_AFTER (1 * CLOCK_SEC)

/* Others have their turn, too. */
#define MESSAGES_PER_TURN 64

/* Of reloads that follow each other closely. */
#define OLD_MAX 4

void
admin_init(struct admin *a)
{
	*a = (struct admin){ .start_at = CLOCK_NEVER };
	TAILQ_INIT(&a->children);
	admin_sockets_init(&a->sockets);
}

static void
hang_up(struct master *m, struct admin_child *c)
{
	if (c->control_fd == -1)
		return;
	/* A child that was just forked may have a copy. */
	(void)epoll_ctl(m->epoll_fd, EPOLL_CTL_DEL, c->control_fd, NULL);
	fd_close(&c->control_fd);
}

static void
forget(struct master *m, struct admin_child *c)
{
	hang_up(m, c);
	if (m->admin.current == c)
		m->admin.current = NULL;
	TAILQ_REMOVE(&m->admin.children, c, entry);
	free(c);
}

void
admin_fini(struct master *m)
{
	struct admin_child *c;

	while ((c = TAILQ_FIRST(&m->admin.children)) != NULL) {
		(void)kill(c->pid, SIGKILL);
		(void)waitpid(c->pid, NULL, 0);
		forget(m, c);
	}
	admin_sockets_fini(&m->admin.sockets);
}

static void
put_down(struct master *m, struct admin_child *c, const char *why)
{
	log_write(m->log, LOG_LEVEL_WARNING, "admin[%d]: killed: %s",
	    (int)c->pid, why);
	(void)kill(c->pid, SIGKILL);
	c->kill_at = CLOCK_NEVER;
	hang_up(m, c);
}

/* It is to answer what it was asked, and to end. */
static void
dismiss(struct master *m, struct admin_child *c, int64_t now)
{
	const struct control_msg drain = { .type = CONTROL_DRAIN,
		.deadline = now + DRAIN_TIME };
	struct admin_child *first;
	size_t n = 0;

	c->draining = true;
	c->kill_at = now + DRAIN_TIME + KILL_AFTER;
	if (c->control_fd != -1 &&
	    control_send(c->control_fd, &drain, NULL, 0) != 0)
		c->kill_at = now;
	TAILQ_FOREACH (first, &m->admin.children, entry)
		n += first->draining;
	if (n > OLD_MAX) {
		first = TAILQ_FIRST(&m->admin.children);
		(void)kill(first->pid, SIGKILL);
	}
}

static int
start(struct master *m, int64_t now)
{
	struct admin_child *c = calloc(1, sizeof(*c));
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = c };

	if (c == NULL)
		return (-ENOMEM);
	*c = (struct admin_child){ .started = now,
		.kill_at = CLOCK_NEVER,
		.asked_at = now,
		.missed = CLOCK_NEVER };
	c->pid = admin_spawn(m, &c->control_fd);
	if (c->pid < 0) {
		int error = (int)c->pid;

		free(c);
		return (error);
	}
	TAILQ_INSERT_TAIL(&m->admin.children, c, entry);
	m->admin.current = c;
	m->admin.start_at = CLOCK_NEVER;
	/* Unheard, it would be taken for dead. */
	if (epoll_ctl(m->epoll_fd, EPOLL_CTL_ADD, c->control_fd, &ev) != 0)
		put_down(m, c, strerror(errno));
	return (0);
}

static void
try_start(struct master *m, int64_t now)
{
	int error = start(m, now);

	if (error == 0)
		return;
	m->admin.start_at = now + BACKOFF_FIRST;
	log_write(
	    m->log, LOG_LEVEL_ERROR, "admin: start: %s", strerror(-error));
}

void
admin_renew(struct master *m, int64_t now)
{
	struct admin_child *old = m->admin.current;

	if (m->current == NULL || m->current->generation == NULL ||
	    m->phase == MASTER_ENDING)
		return;
	m->admin.current = NULL;
	/* Between the two, who asks waits in the sockets' queues. */
	if (old != NULL)
		dismiss(m, old, now);
	try_start(m, now);
}

static void
tell(struct master *m, const struct child *child, enum control_type type)
{
	const struct control_msg msg = { .type = type,
		.slot = (uint32_t)child->slot,
		.worker = child->worker,
		.generation = child->crew->number };
	struct admin_child *c = m->admin.current;
	int error;

	if (c == NULL || c->control_fd == -1)
		return;
	error = control_send(
	    c->control_fd, &msg, &child->table, type == CONTROL_WORKER ? 1 : 0);
	/* It misses nothing unnoticed: the next one knows all. */
	if (error != 0)
		put_down(m, c, "it takes no messages");
}

void
admin_tell_worker(struct master *m, const struct child *child)
{
	/* Those of a generation that is not there yet come by fork. */
	if (child->crew != m->next)
		tell(m, child, CONTROL_WORKER);
}

void
admin_tell_gone(struct master *m, const struct child *child)
{
	if (child->crew != m->next)
		tell(m, child, CONTROL_GONE);
}

static struct admin_child *
find(const struct admin *a, const void *p)
{
	struct admin_child *c;

	TAILQ_FOREACH (c, &a->children, entry)
		if (c == p)
			return (c);
	return (NULL);
}

static void
take(struct master *m, struct admin_child *c, const struct control_msg *msg)
{
	if (msg->type == CONTROL_PONG && c->asked) {
		c->asked = false;
		c->missed = CLOCK_NEVER;
	} else if (msg->type == CONTROL_RELOAD) {
		report_want(m, msg->token);
	} else if (msg->type == CONTROL_UPGRADE) {
		upgrade_want(m, msg->token);
	} else if (msg->type == CONTROL_CLOSE) {
		order_close(m, msg);
	} else {
		put_down(m, c, "it sent a message out of turn");
	}
}

bool
admin_receive(struct master *m, const void *p, int64_t now)
{
	struct admin_child *c = find(&m->admin, p);
	int fds[CONTROL_FDS_MAX], n;
	struct control_msg msg;
	size_t nfds;
	int i;

	if (c == NULL)
		return (false);
	/* The loop tells again of what is left. */
	for (i = 0; i < MESSAGES_PER_TURN && c->control_fd != -1; i++) {
		n = control_recv(c->control_fd, &msg, fds, &nfds);
		if (n == -EAGAIN)
			break;
		if (n == 1) {
			while (nfds > 0)
				fd_close(&fds[--nfds]);
			take(m, c, &msg);
			continue;
		}
		if (n < 0)
			put_down(
			    m, c, "it sent something that is not a message");
		else if (c->kill_at > now + KILL_AFTER)
			c->kill_at = now + KILL_AFTER;
		hang_up(m, c);
	}
	return (true);
}

bool
admin_reaped(struct master *m, pid_t pid, int status, int64_t now)
{
	struct admin_child *c;
	char text[DEATH_TEXT_SIZE];
	int64_t delay;

	TAILQ_FOREACH (c, &m->admin.children, entry)
		if (c->pid == pid)
			break;
	if (c == NULL)
		return (false);
	if (!c->draining) {
		death_describe(text, status);
		delay = backoff_next(&m->admin.backoff, now - c->started);
		m->admin.start_at = now + delay;
		service_add(m->shm, SERVICE_ADMINS_DIED, 1);
		log_write(m->log, LOG_LEVEL_ERROR,
		    "admin[%d]: died: %s: replaced in %lld s", (int)pid, text,
		    (long long)(delay / CLOCK_SEC));
	}
	forget(m, c);
	return (true);
}

static int64_t
earlier(int64_t a, int64_t b)
{
	return (a < b ? a : b);
}

/* Two looks, as in watch_heartbeat(): a pause of the machine is no fault. */
static int64_t
watch(struct master *m, struct admin_child *c, int64_t now)
{
	const struct control_msg ping = { .type = CONTROL_PING };
	int64_t watchdog = m->current->terms->watchdog;

	if (c->control_fd == -1 || c->draining)
		return (CLOCK_NEVER);
	if (!c->asked && now < c->asked_at + watchdog / 2)
		return (c->asked_at + watchdog / 2);
	if (!c->asked) {
		c->asked = true;
		c->asked_at = now;
		(void)control_send(c->control_fd, &ping, NULL, 0);
	}
	if (now < c->asked_at + watchdog)
		return (c->asked_at + watchdog);
	if (c->missed == CLOCK_NEVER)
		c->missed = now;
	if (now < c->missed + watchdog / 4)
		return (c->missed + watchdog / 4);
	put_down(m, c, "it does not answer for timeouts.watchdog");
	return (CLOCK_NEVER);
}

int64_t
admin_tick(struct master *m, int64_t now)
{
	struct admin_child *c;
	int64_t next = CLOCK_NEVER;

	if (m->current == NULL)
		return (CLOCK_NEVER);
	if (m->admin.current == NULL && m->phase != MASTER_ENDING &&
	    m->current->generation != NULL) {
		if (m->admin.start_at <= now)
			try_start(m, now);
		next = m->admin.start_at;
	}
	TAILQ_FOREACH (c, &m->admin.children, entry) {
		next = earlier(next, watch(m, c, now));
		if (c->kill_at <= now)
			put_down(m, c, "it did not end when it was told to");
		next = earlier(next, c->kill_at);
	}
	return (next);
}
