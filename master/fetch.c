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
#include "common/boot.h"
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
	const struct crew *crew = m->current;
	struct fetch *f = &m->fetch;
	const struct seat *seat;
	size_t i;

	for (i = 0; i < crew->nworkers; i++) {
		seat = &crew->seats[(f->turn + i) % crew->nworkers];
		if (!is_serving(seat) || !can(&seat->child->hand))
			continue;
		f->turn = (f->turn + i + 1) % crew->nworkers;
		return (seat->child);
	}
	return (NULL);
}

/* Does that with each listening socket of a worker that is down, until it
 * fails; 0 or -errno. */
static int
each_socket(struct master *m, unsigned worker, int64_t now,
    int (*act)(struct master *, const struct boot_socket *))
{
	const struct crew *crew = m->current;
	struct boot_socket *sockets;
	size_t i, n;
	int error;

	error = listener_sockets(&m->listeners, crew->terms, worker,
	    crew->nworkers, now, &sockets, &n);
	if (error != 0)
		return (error);
	for (i = 0; error == 0 && i < n; i++)
		error = act(m, &sockets[i]);
	free(sockets);
	return (error);
}

/* Edge-triggered, so that one that nobody has any more cannot be told of again
 * and again. */
static int
watch_socket(struct master *m, const struct boot_socket *s)
{
	struct epoll_event ev = { .events = EPOLLIN | EPOLLET };

	if (epoll_ctl(m->fetch.epoll_fd, EPOLL_CTL_ADD, s->fd, &ev) != 0)
		return (-errno);
	return (0);
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
	const struct crew *crew = m->current;
	int error = 0;
	size_t i;

	fetch_fini(m);
	for (i = 0; error == 0 && i < crew->nworkers; i++) {
		if (!crew->seats[i].covered)
			continue;
		if (m->fetch.epoll_fd == -1)
			error = open_epoll(m);
		if (error == 0)
			error = each_socket(m, (unsigned)i, now, watch_socket);
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
accept_socket(struct master *m, const struct boot_socket *s)
{
	int error = 0;

	while (m->fetch.left > 0 && accept_one(m, s, &error))
		m->fetch.left--;
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
	struct crew *crew = m->current;
	struct fetch *f = &m->fetch;
	int error = 0;
	size_t i;

	f->blocked = false;
	f->again_at = CLOCK_NEVER;
	f->left = ACCEPT_MAX;
	for (i = 0; i < crew->nworkers; i++)
		pass_on(m, &crew->seats[i].left);
	for (i = 0; error == 0 && i < crew->nworkers; i++) {
		if (crew->seats[i].covered)
			error = each_socket(m, (unsigned)i, now, accept_socket);
	}
	if (error != 0) {
		complain(m, "accept", error);
		f->again_at = now + PAUSE;
	} else if (f->left == 0) {
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
	struct crew *crew;
	struct child *c;

	TAILQ_FOREACH (crew, &m->crews, entry) {
		TAILQ_FOREACH (c, &crew->children, entry) {
			due = hand_look(&c->hand, now);
			next = due < next ? due : next;
		}
	}
	if (m->current == NULL || m->phase != MASTER_RUNNING)
		fetch_fini(m);
	else if (m->fetch.blocked || m->fetch.again_at <= now)
		accept_all(m, now);
	TAILQ_FOREACH (crew, &m->crews, entry) {
		TAILQ_FOREACH (c, &crew->children, entry) {
			due = send_one(m, c, now);
			next = due < next ? due : next;
		}
	}
	return (m->fetch.again_at < next ? m->fetch.again_at : next);
}

/* The listener of the current crew that has that one's address; false: there is
 * none. */
static bool
find_listener(
    const struct master *m, const struct terms *old, uint32_t *listener)
{
	const struct terms *terms = m->current->terms;
	size_t i;

	for (i = 0; i < terms->nlisteners; i++) {
		if (!listener_same(
			&terms->listeners[i], &old->listeners[*listener]))
			continue;
		*listener = (uint32_t)i;
		return (true);
	}
	return (false);
}

/* A place for one more that is to be passed on; NULL: there is none. */
static struct hand *
find_place(struct crew *crew)
{
	size_t i;

	for (i = 0; i < crew->nworkers; i++)
		if (hand_has_room(&crew->seats[i].left))
			return (&crew->seats[i].left);
	return (NULL);
}

/* Takes a connection to a listener of that generation in any case. False: it
 * was reset, since nobody can serve it. */
static bool
pass_on_one(struct master *m, const struct crew *crew, struct hand_connection c)
{
	struct hand *place = NULL;

	if (m->phase == MASTER_RUNNING && m->current != NULL &&
	    (crew == m->current || find_listener(m, crew->terms, &c.listener)))
		place = find_place(m->current);
	if (place != NULL)
		return (hand_add(place, &c) == 0);
	fd_close(&c.fd);
	return (false);
}

/* What was reset has its audit line all the same. */
static void
lose(struct master *m, struct crew *crew, unsigned worker,
    const struct hand_connection *c)
{
	struct tunnel_facts facts;
	const char *listeners[TERMS_LISTENERS_MAX];
	struct facts_names names = { .listeners = { listeners,
					 crew->terms->nlisteners,
					 sizeof(*listeners) } };
	const struct audit_line line = {
		.event = AUDIT_END,
		.facts = &facts,
		.text = facts.text,
		.names = &names,
	};
	size_t i;

	for (i = 0; i < crew->terms->nlisteners; i++)
		listeners[i] = crew->terms->listeners[i].name;
	facts_init(&facts);
	facts.number = ++crew->seats[worker].numbers;
	facts.worker = worker;
	facts.generation = crew->number;
	facts.client = c->client;
	facts.listener = c->listener;
	facts.wall = clock_wall();
	facts.reason = REASON_WORKER_DIED;
	facts.total_ns = 0;
	if (audit_write(
		logs_sink(crew->audit_log), crew->terms->format, &line) != 0)
		stats_add_total(m->shm, STAT_AUDIT_DROPPED, 1);
	stats_add_total(m->shm, STAT_ACCEPTED, 1);
	stats_add_total_reason(m->shm, REASON_WORKER_DIED, 1);
}

/* Passes on what the hand holds, of that worker of the generation, to those who
 * serve now; else it is lost. */
static void
distribute(struct master *m, struct crew *crew, unsigned worker, struct hand *h)
{
	struct hand_connection c;
	unsigned lost = 0;

	while (hand_take_back(h, &c, crew->terms->lost)) {
		if (pass_on_one(m, crew, c))
			continue;
		lose(m, crew, worker, &c);
		lost++;
	}
	hand_close(h);
	if (lost > 0)
		log_write(m->log, LOG_LEVEL_ERROR,
		    "worker %u of generation %u: %u connection%s that %s "
		    "accepted for it %s lost",
		    worker, crew->number, lost, lost == 1 ? "" : "s",
		    lost == 1 ? "was" : "were", lost == 1 ? "is" : "are");
	m->fetch.blocked = true;
}

void
fetch_inherit(struct master *m, struct child *c)
{
	if (!hand_is_free(&c->hand))
		distribute(m, c->crew, c->worker, &c->hand);
}

void
fetch_drop(struct master *m, struct crew *crew)
{
	struct hand left;
	size_t i;

	for (i = 0; i < crew->nworkers; i++) {
		left = crew->seats[i].left;
		hand_init(&crew->seats[i].left);
		if (!hand_is_free(&left))
			distribute(m, crew, (unsigned)i, &left);
	}
}
