/*
 * Keeps the sockets of listeners that are gone from the configuration, until
 * what is queued on them is accepted.
 */
#include "master/keep.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "common/base/fd.h"
#include "common/boot.h"
#include "common/control.h"
#include "common/log/log.h"
#include "master/crew.h"
#include "master/master.h"
#include "master/order.h"
#include "master/recruit.h"
#include "master/regain.h"

/* Who have died of what they found there; then it is given up. */
#define HEIRS_MAX 2

/* So many are told of that nobody serves. */
#define LOST_MAX 65536

static void
drop(struct kept *k)
{
	while (k->n > 0)
		fd_close(&k->sockets[--k->n].fd);
	free(k->sockets);
	*k = (struct kept){ 0 };
}

/* No worker will be started for an old crew of whom nothing is kept. */
static void
settle(struct master *m, struct crew *crew)
{
	struct child *c;
	size_t i;

	if (crew == m->current || crew == m->next)
		return;
	TAILQ_FOREACH (c, &crew->children, entry) {
		if (c->kept.n > 0)
			return;
	}
	for (i = 0; i < crew->nworkers; i++) {
		if (crew->seats[i].kept.n > 0)
			return;
	}
	crew_settle(crew);
}

void
keep_listeners(struct master *m, struct crew *crew, uint64_t gone)
{
	struct child *c;
	struct kept *k;
	size_t i;
	int error;

	for (i = 0; gone != 0 && i < crew->nworkers; i++) {
		c = crew->seats[i].child;
		k = c != NULL ? &c->kept : &crew->seats[i].kept;
		error = listener_take(&m->listeners, crew->terms, gone,
		    (unsigned)i, crew->nworkers, &k->sockets, &k->n);
		if (error != 0)
			log_write(m->log, LOG_LEVEL_ERROR,
			    "worker %zu: its listeners cannot be kept: %s", i,
			    strerror(-error));
		k->until = clock_now() + 2 * crew->terms->watchdog;
	}
}

/* Accepts one that waits. False: there is none. */
static bool
accept_one(const struct boot_socket *s, struct hand_connection *c)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	struct sockaddr *sa = (struct sockaddr *)&ss;

	*c = (struct hand_connection){ .listener = s->listener };
	c->fd = accept4(s->fd, sa, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (c->fd == -1)
		return (false);
	if (addr_from_sockaddr(&c->client, sa, len) != 0)
		c->client = (struct addr){ 0 };
	return (true);
}

/* Nobody will serve what waits: it is reset, with an audit line for each. */
static void
lose(struct master *m, struct crew *crew, unsigned worker, struct kept *k)
{
	struct hand_connection c;
	unsigned n = 0;
	size_t i;

	for (i = 0; i < k->n; i++) {
		while (n < LOST_MAX && accept_one(&k->sockets[i], &c)) {
			(void)fd_tunnel_options(c.fd, NULL);
			fd_close(&c.fd);
			regain_lose(m, crew, worker, &c);
			n++;
		}
	}
	if (n > 0)
		log_write(m->log, LOG_LEVEL_ERROR,
		    "worker %u of generation %u: %u connection%s that waited "
		    "on its removed listeners %s lost",
		    worker, crew->number, n, n == 1 ? "" : "s",
		    n == 1 ? "is" : "are");
}

/* At a stop, whoever is started next serves what waits. */
static bool
is_left(const struct master *m)
{
	return (m->phase == MASTER_DRAINING && listener_is_kept(&m->listeners));
}

/* Takes what is kept, if it can be passed on: there is a configuration to start
 * a worker with, and it can be started. */
static int
make_heir(struct master *m, struct crew *crew, unsigned worker, struct kept *k,
    int64_t now)
{
	const char *step;
	struct child *c;
	int error;

	if (crew->generation == NULL)
		return (-ENOENT);
	/* It would be killed at once. */
	if (crew->drain.deadline <= now)
		return (-ETIMEDOUT);
	error = recruit_heir(m, crew, worker, k, now, &c, &step);
	if (error != 0) {
		log_write(m->log, LOG_LEVEL_ERROR,
		    "worker %u of generation %u: none can be started that "
		    "serves what waits for it: %s: %s",
		    worker, crew->number, step, strerror(-error));
		return (error);
	}
	c->kept = *k;
	c->kept.heirs++;
	c->kept.until = now + 2 * crew->terms->watchdog;
	*k = (struct kept){ 0 };
	log_write(m->log, LOG_LEVEL_INFO,
	    "worker %u[%d] of generation %u: serves what waits on its removed "
	    "listeners",
	    worker, (int)c->pid, crew->number);
	order_drain_again(m, c);
	return (0);
}

void
keep_fill(struct master *m, struct crew *crew, int64_t now)
{
	struct kept *k;
	size_t i;

	for (i = 0; i < crew->nworkers; i++) {
		k = &crew->seats[i].kept;
		if (k->n > 0)
			(void)make_heir(m, crew, (unsigned)i, k, now);
		if (k->n > 0 && !is_left(m))
			lose(m, crew, (unsigned)i, k);
		drop(k);
	}
	settle(m, crew);
}

void
keep_emptied(struct master *m, struct child *c)
{
	const struct control_msg msg = { .type = CONTROL_RELEASE };

	drop(&c->kept);
	/* Unheard, it would not exit after its last tunnel; then its deadline
	 * has it, or the watchdog, if it hears nothing at all. */
	if (c->control_fd >= 0)
		(void)control_send(c->control_fd, &msg, NULL, 0);
	settle(m, c->crew);
}

void
keep_inherit(struct master *m, struct child *c, int64_t now)
{
	struct kept *k = &c->kept;

	if (k->n > 0 && m->phase != MASTER_ENDING) {
		if (k->heirs < HEIRS_MAX)
			(void)make_heir(m, c->crew, c->worker, k, now);
		if (k->n > 0 && !is_left(m))
			lose(m, c->crew, c->worker, k);
	}
	drop(k);
	settle(m, c->crew);
}

int64_t
keep_tick(struct master *m, struct child *c, int64_t now)
{
	if (c->kept.n == 0)
		return (CLOCK_NEVER);
	if (c->kept.until > now)
		return (c->kept.until);
	log_write(m->log, LOG_LEVEL_ERROR,
	    "worker %u[%d] of generation %u: it does not say that it has "
	    "accepted what waited on its removed listeners: they are closed",
	    c->worker, (int)c->pid, c->crew->number);
	keep_emptied(m, c);
	return (CLOCK_NEVER);
}

void
keep_nothing(struct master *m)
{
	struct crew *crew;
	struct child *c;

	TAILQ_FOREACH (crew, &m->crews, entry) {
		TAILQ_FOREACH (c, &crew->children, entry)
			drop(&c->kept);
	}
}
