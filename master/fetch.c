/*
 * Accepts the connections that wait for a worker that is down, and deals them
 * out to those that serve.
 */
#include "master/fetch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/fd.h"
#include "common/conf/conf.h"
#include "common/log/audit.h"
#include "common/shm/stats.h"
#include "master/hand.h"
#include "master/master.h"

/* So many are accepted before signals and workers are heard again. */
#define ACCEPT_MAX 64

#define EVENTS_MAX 16

/* For want of descriptors or memory it is tried again after this. */
#define PAUSE (100 * CLOCK_MSEC)

void
fetch_init(struct fetch *f)
{
	*f = (struct fetch){ .epoll_fd = -1, .again_at = CLOCK_NEVER };
}

void
fetch_fini(struct master *m)
{
	struct fetch *f = &m->fetch;

	/* Closing alone is not enough while a worker that was just forked has
	 * a copy. */
	if (f->epoll_fd != -1)
		(void)epoll_ctl(m->epoll_fd, EPOLL_CTL_DEL, f->epoll_fd, NULL);
	fd_close(&f->epoll_fd);
	f->blocked = false;
	f->again_at = CLOCK_NEVER;
}

static void
complain(struct master *m, const char *what, int error)
{
	log_write_rate(m->log, &m->fetch.rate, LOG_LEVEL_ERROR,
	    "connections for workers that are down: %s: %s", what,
	    strerror(-error));
}

static bool
is_serving(const struct seat *seat)
{
	const struct child *c = seat->child;

	return (c != NULL && c->state == CHILD_SERVING && c->control_fd != -1);
}

/* One whose turn it is, and who can be handed something; NULL: nobody. */
static struct child *
find_helper(struct master *m, bool (*can)(const struct hand *))
{
	const struct generation *g = m->current;
	struct fetch *f = &m->fetch;
	const struct seat *seat;
	size_t i;

	for (i = 0; i < g->nworkers; i++) {
		seat = &g->seats[(f->turn + i) % g->nworkers];
		if (!is_serving(seat) || !can(&seat->child->hand))
			continue;
		f->turn = (f->turn + i + 1) % g->nworkers;
		return (seat->child);
	}
	return (NULL);
}

/* Edge-triggered, so that one that nobody has any more cannot be told of again
 * and again. */
static int
watch_seat(struct master *m, unsigned worker, int64_t now)
{
	const struct generation *g = m->current;
	struct epoll_event ev = { .events = EPOLLIN | EPOLLET };
	struct boot_socket *sockets;
	size_t i, n;
	int error;

	error = listener_sockets(
	    &m->listeners, g->conf, worker, g->nworkers, now, &sockets, &n);
	if (error != 0)
		return (error);
	for (i = 0; error == 0 && i < n; i++) {
		if (epoll_ctl(m->fetch.epoll_fd, EPOLL_CTL_ADD, sockets[i].fd,
			&ev) != 0)
			error = -errno;
	}
	free(sockets);
	return (error);
}

static int
open_epoll(struct master *m)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = &m->fetch };
	struct fetch *f = &m->fetch;

	f->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (f->epoll_fd == -1 ||
	    epoll_ctl(m->epoll_fd, EPOLL_CTL_ADD, f->epoll_fd, &ev) != 0)
		return (-errno);
	return (0);
}

void
fetch_watch(struct master *m, int64_t now)
{
	const struct generation *g = m->current;
	int error = 0;
	size_t i;

	fetch_fini(m);
	for (i = 0; error == 0 && i < g->nworkers; i++) {
		if (!g->seats[i].covered)
			continue;
		if (m->fetch.epoll_fd == -1)
			error = open_epoll(m);
		if (error == 0)
			error = watch_seat(m, (unsigned)i, now);
	}
	if (error != 0)
		complain(m, "epoll", error);
	m->fetch.again_at = now;
}

bool
fetch_receive(struct master *m, const void *ptr, int64_t now)
{
	struct epoll_event events[EVENTS_MAX];
	struct fetch *f = &m->fetch;

	if (ptr != f)
		return (false);
	if (f->epoll_fd != -1)
		(void)epoll_wait(f->epoll_fd, events, EVENTS_MAX, 0);
	f->again_at = now;
	return (true);
}

/* Of one connection, or none. False: there is none, or *error is why none can
 * be had now. */
static bool
accept_one(struct master *m, const struct boot_socket *s, int *error)
{
	struct hand_connection c = { .listener = s->listener };
	struct child *helper = find_helper(m, hand_has_room);
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	int r;

	if (helper == NULL) {
		m->fetch.blocked = true;
		return (false);
	}
	c.fd = accept4(
	    s->fd, (struct sockaddr *)&ss, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (c.fd == -1) {
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS ||
		    errno == ENOMEM)
			*error = -errno;
		/* All else is of a connection that has died. */
		return (*error == 0 && errno != EAGAIN && errno != EINVAL);
	}
	if (addr_from_sockaddr(&c.client, (struct sockaddr *)&ss, len) != 0)
		c.client = (struct addr){ 0 };
	r = hand_add(&helper->hand, &c);
	if (r != 0)
		complain(m, "one was reset", r);
	return (true);
}

static int
accept_seat(struct master *m, unsigned worker, int64_t now, int *left)
{
	const struct generation *g = m->current;
	struct boot_socket *sockets;
	size_t i, n;
	int error;

	error = listener_sockets(
	    &m->listeners, g->conf, worker, g->nworkers, now, &sockets, &n);
	if (error != 0)
		return (error);
	for (i = 0; error == 0 && i < n; i++) {
		while (*left > 0 && accept_one(m, &sockets[i], &error))
			(*left)--;
	}
	free(sockets);
	return (error);
}

/* What one who is dead has not taken. */
static void
pass_on(struct master *m, struct hand *h)
{
	struct child *helper;

	if (hand_is_free(h))
		return;
	helper = find_helper(m, hand_is_free);
	if (helper == NULL) {
		m->fetch.blocked = true;
		return;
	}
	helper->hand = *h;
	hand_init(h);
}

static void
accept_all(struct master *m, int64_t now)
{
	struct generation *g = m->current;
	struct fetch *f = &m->fetch;
	int error = 0, left = ACCEPT_MAX;
	size_t i;

	f->blocked = false;
	f->again_at = CLOCK_NEVER;
	for (i = 0; i < g->nworkers; i++)
		pass_on(m, &g->seats[i].left);
	for (i = 0; error == 0 && i < g->nworkers; i++) {
		if (g->seats[i].covered)
			error = accept_seat(m, (unsigned)i, now, &left);
	}
	if (error != 0) {
		complain(m, "accept", error);
		f->again_at = now + PAUSE;
	} else if (left == 0) {
		f->again_at = now;
	}
}

/* Sends what was not; returns when this is to be done again. */
static int64_t
send_one(struct master *m, struct child *c, int64_t now)
{
	int error;

	if (hand_is_free(&c->hand) || c->hand.sent || c->control_fd == -1)
		return (CLOCK_NEVER);
	error = hand_send(&c->hand, c->control_fd, now);
	if (error == 0)
		return (hand_look(&c->hand, now));
	/* The watchdog's business, if it hears nothing at all. */
	complain(m, "a worker cannot be told", error);
	return (now + PAUSE);
}

int64_t
fetch_tick(struct master *m, int64_t now)
{
	int64_t due, next = CLOCK_NEVER;
	struct generation *g;
	struct child *c;

	TAILQ_FOREACH (g, &m->generations, entry) {
		TAILQ_FOREACH (c, &g->children, entry) {
			due = hand_look(&c->hand, now);
			next = due < next ? due : next;
		}
	}
	if (m->current == NULL || m->phase != MASTER_RUNNING)
		fetch_fini(m);
	else if (m->fetch.blocked || m->fetch.again_at <= now)
		accept_all(m, now);
	TAILQ_FOREACH (g, &m->generations, entry) {
		TAILQ_FOREACH (c, &g->children, entry) {
			due = send_one(m, c, now);
			next = due < next ? due : next;
		}
	}
	return (m->fetch.again_at < next ? m->fetch.again_at : next);
}

/* The listener of the current configuration that has that one's address;
 * false: there is none. */
static bool
find_listener(
    const struct master *m, const struct conf *old, uint32_t *listener)
{
	const struct conf *conf = m->current->conf;
	size_t i;

	for (i = 0; i < conf->nlisteners; i++) {
		if (strcmp(conf->listeners[i].address,
			old->listeners[*listener].address) != 0)
			continue;
		*listener = (uint32_t)i;
		return (true);
	}
	return (false);
}

/* A place for one more that is to be passed on; NULL: there is none. */
static struct hand *
find_place(struct generation *g)
{
	size_t i;

	for (i = 0; i < g->nworkers; i++)
		if (hand_has_room(&g->seats[i].left))
			return (&g->seats[i].left);
	return (NULL);
}

/* Takes a connection to a listener of that generation in any case. False: it
 * was reset, since nobody can serve it. */
static bool
pass_on_one(
    struct master *m, const struct generation *g, struct hand_connection c)
{
	struct hand *place = NULL;

	if (m->phase == MASTER_RUNNING && m->current != NULL &&
	    (g == m->current || find_listener(m, g->conf, &c.listener)))
		place = find_place(m->current);
	if (place != NULL)
		return (hand_add(place, &c) == 0);
	fd_close(&c.fd);
	return (false);
}

/* What was reset has its audit line all the same. */
static void
lose(struct master *m, struct generation *g, unsigned worker,
    const struct hand_connection *c)
{
	struct tunnel_facts facts;
	struct facts_names names;
	const struct audit_line line = {
		.event = AUDIT_END,
		.facts = &facts,
		.text = facts.text,
		.names = &names,
	};

	conf_names(g->conf, &names);
	facts_init(&facts);
	facts.number = ++g->seats[worker].numbers;
	facts.worker = worker;
	facts.generation = g->number;
	facts.client = c->client;
	facts.listener = c->listener;
	facts.wall = clock_wall();
	facts.reason = REASON_WORKER_DIED;
	facts.total_ns = 0;
	if (audit_write(logs_sink(g->audit_log), g->conf->log.format, &line) !=
	    0)
		stats_add_total(m->shm, STAT_AUDIT_DROPPED, 1);
	stats_add_total(m->shm, STAT_ACCEPTED, 1);
	stats_add_total_reason(m->shm, REASON_WORKER_DIED, 1);
}

/* Passes on what the hand holds, of that worker of the generation, to those who
 * serve now; else it is lost. */
static void
distribute(
    struct master *m, struct generation *g, unsigned worker, struct hand *h)
{
	struct hand_connection c;
	unsigned lost = 0;

	while (hand_take_back(h, &c, g->conf->timeouts.lost)) {
		if (pass_on_one(m, g, c))
			continue;
		lose(m, g, worker, &c);
		lost++;
	}
	hand_close(h);
	if (lost > 0)
		log_write(m->log, LOG_LEVEL_ERROR,
		    "worker %u of generation %u: %u connection%s that %s "
		    "accepted for it %s lost",
		    worker, g->number, lost, lost == 1 ? "" : "s",
		    lost == 1 ? "was" : "were", lost == 1 ? "is" : "are");
	m->fetch.blocked = true;
}

void
fetch_inherit(struct master *m, struct child *c)
{
	if (!hand_is_free(&c->hand))
		distribute(m, c->generation, c->worker, &c->hand);
}

void
fetch_drop(struct master *m, struct generation *g)
{
	struct hand left;
	size_t i;

	for (i = 0; i < g->nworkers; i++) {
		left = g->seats[i].left;
		hand_init(&g->seats[i].left);
		if (!hand_is_free(&left))
			distribute(m, g, (unsigned)i, &left);
	}
}
