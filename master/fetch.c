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
#include "master/hand.h"
#include "master/master.h"
#include "master/regain.h"

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

/* One whose turn it is, and who can be handed something; NULL: nobody. */
static struct child *
find_helper(struct master *m, bool (*can)(const struct hand *))
{
	const struct crew *crew = m->current;
	struct fetch *f = &m->fetch;
	const struct seat *seat;
	int64_t now = clock_now();
	size_t i;

	for (i = 0; i < crew->nworkers; i++) {
		seat = &crew->seats[(f->turn + i) % crew->nworkers];
		if (!crew_takes(seat, now) || !can(&seat->child->hand))
			continue;
		f->turn = (f->turn + i + 1) % crew->nworkers;
		return (seat->child);
	}
	return (NULL);
}

/* Does that with each listening socket that only a worker which is down has,
 * until it fails; 0 or -errno. */
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
	for (i = 0; error == 0 && i < n; i++) {
		if (!sockets[i].shared)
			error = act(m, &sockets[i]);
	}
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
	*error = hand_open(&helper->hand);
	if (*error != 0)
		return (false);
	c.fd = accept4(
	    s->fd, (struct sockaddr *)&ss, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (c.fd == -1) {
		r = errno;
		if (helper->hand.n == 0)
			hand_close(&helper->hand);
		if (r == EMFILE || r == ENFILE || r == ENOBUFS || r == ENOMEM)
			*error = -r;
		/* All else is of a connection that has died. */
		return (*error == 0 && r != EAGAIN && r != EINVAL);
	}
	if (addr_from_sockaddr(&c.client, (struct sockaddr *)&ss, len) != 0)
		c.client = (struct addr){ 0 };
	r = hand_add(&helper->hand, &c);
	if (r != 0) {
		complain(m, "one was reset", r);
		regain_lose(m, m->current, helper->worker, &c);
	}
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
			regain_tick(m, c, now);
		}
	}
	if (m->current == NULL || !master_serves(m))
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
