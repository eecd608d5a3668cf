/*
 * Accepts connections from the listeners, pauses when descriptors or memory run
 * out, and drains.
 */
#include "worker/accept.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/fd.h"
#include "common/boot.h"
#include "common/control.h"
#include "common/conf/conf.h"
#include "common/log/log.h"
#include "common/shm/table.h"
#include "worker/loop/loop.h"

/* Accepting is tried again after this, or when a tunnel ends. */
#define PAUSE (100 * CLOCK_MSEC)

/* So many at once at most: each takes some 20 us, even if it is refused. */
#define AT_ONCE 64

/* After so many turns in which there was one, more are tried. To ask in vain
 * costs a system call, so it is not done for each. */
#define IN_A_ROW 4

/* A listener of which nobody is left to serve the queue cannot hold more. */
#define LAST_CALL 65536

struct socket {
	struct loop_fd lfd; /* whose fd is -1 while a shared one pauses */
	int fd;
	LIST_ENTRY(socket) link;
	struct acceptor *acceptor;
	const struct accept_to *to;
	unsigned listener; /* its index */
	bool shared;	   /* other workers wait for the same connections */
	bool handed;	   /* connections come out of it that others accepted */
	bool ended;	   /* and nothing more does */
	bool last;	   /* nobody else will serve what waits there */
	unsigned in_a_row; /* turns with a connection */
	int at_once;	   /* how many were taken in the last one */
	struct timer surplus; /* armed: nothing new comes, until then */
	struct loop_garbage garbage;
};

LIST_HEAD(socket_list, socket);

struct acceptor {
	struct loop *loop;
	const struct boot *boot;
	struct timer pause;
	struct log_rate rate;
	bool paused, stopped;
	size_t nsockets;
	struct socket_list sockets;
};

/* One of all who wait for a shared socket is woken, and not each of them; what
 * is registered so cannot be changed (epoll_ctl(2), EPOLLEXCLUSIVE). */
static int
share_in(struct acceptor *a, struct socket *s)
{
	return (loop_add(
	    a->loop, &s->lfd, s->fd, EPOLLIN | (uint32_t)EPOLLEXCLUSIVE));
}

static int
watch(struct acceptor *a, struct socket *s)
{
	return (s->shared ? share_in(a, s)
			  : loop_add(a->loop, &s->lfd, s->fd, EPOLLIN));
}

/* One that is shut down on the other side, as those are that connections come
 * out of, is told of whatever events it is registered for: it is taken out.
 * Fails for want of kernel memory alone; then a busy or a deaf socket is tried
 * again at the next pause, and it is -errno where none would come by itself. */
static int
set_events(struct acceptor *a, uint32_t events)
{
	struct socket *s;
	int error = 0;

	LIST_FOREACH (s, &a->sockets, link) {
		if (!s->shared && !s->handed)
			(void)loop_mod(a->loop, &s->lfd, events);
		else if (events == 0)
			loop_del(a->loop, &s->lfd);
		else if (s->lfd.fd == -1 && watch(a, s) != 0)
			error = -ENOMEM;
	}
	return (error);
}

static void
pause_again(struct acceptor *a)
{
	a->paused = true;
	timer_arm(loop_timers(a->loop), &a->pause, loop_now(a->loop) + PAUSE);
}

static void
pause_accepting(struct socket *s, const char *why)
{
	struct acceptor *a = s->acceptor;

	log_write_rate(a->boot->log, &a->rate, LOG_LEVEL_WARNING,
	    "listeners: accepting paused: %s", why);
	s->to->paused(s->to->arg);
	(void)set_events(a, 0);
	pause_again(a);
}

void
accept_resume(struct acceptor *a)
{
	if (!a->paused)
		return;
	a->paused = false;
	timer_cancel(loop_timers(a->loop), &a->pause);
	if (set_events(a, EPOLLIN) != 0)
		pause_again(a);
}

static void
pause_cb(struct timer *t)
{
	accept_resume(container_of(t, struct acceptor, pause));
}

/* A connection, or -errno. */
static int
take_queued(struct socket *s, struct addr *client)
{
	socklen_t len;
	struct sockaddr *sa = s->to->await(s->to->arg, s->listener, &len);
	int fd, error = 0;

	fd = accept4(s->fd, sa, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd == -1) {
		error = -errno;
		s->to->await_no_more(s->to->arg);
		return (error);
	}
	/* Only AF_INET and AF_INET6 can come from our listeners. */
	if (addr_from_sockaddr(client, sa, len) != 0)
		*client = (struct addr){ 0 };
	return (fd);
}

static int
take_handed(struct socket *s, struct addr *client)
{
	const struct conf *conf = s->acceptor->boot->conf;
	int fds[CONTROL_FDS_MAX], n = fd_spare();
	struct control_msg *msg;
	size_t nfds = 0;

	_Static_assert(sizeof(*msg) <= TABLE_AWAIT_SIZE, "one has room");

	/* Else it would be lost. */
	if (n != 0)
		return (n);
	msg = s->to->await_handed(
	    s->to->arg, offsetof(struct control_msg, client));
	n = control_recv(s->fd, msg, fds, &nfds);
	s->ended = n == 0;
	if (n == 1 && msg->type == CONTROL_CONNECTION &&
	    msg->listener < conf->nlisteners) {
		s->listener = msg->listener;
		*client = msg->client;
		return (fds[0]);
	}
	s->to->await_no_more(s->to->arg);
	if (n != 1)
		return (n == 0 ? -EAGAIN : n);
	for (; nfds > 0; nfds--)
		fd_close(&fds[nfds - 1]);
	return (-EPROTO);
}

/*
 * Accepts one. False: there is none, or none can be had now. Where there is no
 * room for it, it can wait; but one that would wait for nobody is refused,
 * which takes one descriptor of those that are set aside.
 */
static bool
accept_one(struct socket *s)
{
	bool room = s->to->room(s->to->arg, s->acceptor->nsockets);
	struct addr client;
	int fd;

	if (!room && !s->last) {
		pause_accepting(s, "the limit on open files is near");
		return (false);
	}
	fd = s->handed ? take_handed(s, &client) : take_queued(s, &client);
	if (fd >= 0) {
		(room ? s->to->take : s->to->refuse)(
		    s->to->arg, fd, &client, s->listener);
		return (true);
	}
	switch (fd) {
	case -EMFILE:
	case -ENFILE:
	case -ENOBUFS:
	case -ENOMEM:
		pause_accepting(s, strerrordesc_np(-fd));
		return (false);
	case -EAGAIN:
	case -EINVAL: /* the master has shut this socket down */
		return (false);
	default:
		/* The connection died in the queue: accept(2), "Error
		 * handling" has the list. The next one may be good. */
		return (true);
	}
}

static void
socket_free_cb(struct loop_garbage *garbage)
{
	free(container_of(garbage, struct socket, garbage));
}

/* The number of one that we were born with is not for another socket, of which
 * the sandbox would forbid what it forbids of a listener. */
static void
socket_close(struct socket *s)
{
	struct acceptor *a = s->acceptor;
	int fd = s->fd;

	loop_del(a->loop, &s->lfd);
	if (s->handed || dup3(STDIN_FILENO, fd, O_CLOEXEC) == -1) {
		fd_close(&fd);
		a->nsockets--;
	}
	timer_cancel(loop_timers(a->loop), &s->surplus);
	LIST_REMOVE(s, link);
	loop_free_later(a->loop, &s->garbage);
}

/* Twice as many as last time, as long as there are as many. */
static void
accept_some(struct socket *s)
{
	int i, most = 1;

	if (++s->in_a_row > IN_A_ROW)
		most = s->at_once < AT_ONCE / 2 ? 2 * s->at_once : AT_ONCE;
	for (i = 0; i < most; i++)
		if (!accept_one(s)) {
			s->in_a_row = 0;
			break;
		}
	s->at_once = most;
}

/* One that was shut down says so for ever. */
static void
socket_cb(struct loop_fd *lfd, uint32_t events)
{
	struct socket *s = container_of(lfd, struct socket, lfd);

	if ((events & EPOLLHUP) != 0 && !s->handed)
		socket_close(s);
	else
		accept_some(s);
	if (s->ended)
		socket_close(s);
}

static void
accept_waiting(struct socket *s)
{
	int i;

	for (i = 0; i < LAST_CALL; i++)
		if (!accept_one(s))
			break;
}

static void
last_call(struct socket *s)
{
	s->last = true;
	accept_waiting(s);
}

/* No connections are steered to the surplus sockets any more; by now those
 * that were on their way have arrived. */
static void
surplus_cb(struct timer *t)
{
	struct socket *s = container_of(t, struct socket, surplus);

	last_call(s);
	socket_close(s);
}

static int
socket_open(struct acceptor *a, const struct accept_to *to,
    const struct boot_socket *b, struct socket **out)
{
	struct socket *s = calloc(1, sizeof(*s));
	int error = 0;

	if (s == NULL)
		return (-ENOMEM);
	s->lfd = (struct loop_fd){ .fd = -1, .cb = socket_cb };
	s->fd = b->fd;
	s->shared = b->shared;
	s->acceptor = a;
	s->to = to;
	s->listener = b->listener;
	s->garbage.free = socket_free_cb;
	timer_init(&s->surplus, surplus_cb);
	if (!s->shared)
		error =
		    loop_add(a->loop, &s->lfd, b->fd, a->paused ? 0 : EPOLLIN);
	else if (!a->paused)
		error = share_in(a, s);
	if (error != 0) {
		free(s);
		return (error);
	}
	LIST_INSERT_HEAD(&a->sockets, s, link);
	a->nsockets++;
	*out = s;
	if (b->surplus)
		timer_arm(loop_timers(a->loop), &s->surplus,
		    loop_now(a->loop) + BOOT_SURPLUS_TIME);
	return (0);
}

int
accept_start(struct acceptor **out, struct loop *loop, const struct boot *boot,
    const struct accept_to *to)
{
	struct acceptor *a = calloc(1, sizeof(*a));
	struct socket *s;
	size_t i;
	int error = 0;

	if (a == NULL)
		return (-ENOMEM);
	a->loop = loop;
	a->boot = boot;
	timer_init(&a->pause, pause_cb);
	LIST_INIT(&a->sockets);
	for (i = 0; error == 0 && i < boot->nsockets; i++)
		error = socket_open(a, to, &boot->sockets[i], &s);
	if (error != 0)
		accept_free(a);
	else
		*out = a;
	return (error);
}

/* All that was handed over at once; what there is no place for can wait. */
static void
take_all(struct socket *s)
{
	accept_waiting(s);
	if (s->ended)
		socket_close(s);
}

void
accept_handed(struct acceptor *a, const struct accept_to *to, int fd)
{
	const struct boot_socket b = { .fd = fd };
	struct socket *s;

	/* Then the master gets it back, when we end. */
	if (socket_open(a, to, &b, &s) != 0) {
		fd_close(&fd);
		return;
	}
	s->handed = true;
	if (a->stopped)
		take_all(s);
}

static bool
is_among(const struct socket *s, uint64_t listeners)
{
	return ((listeners & UINT64_C(1) << s->listener) != 0);
}

void
accept_empty(struct acceptor *a, uint64_t listeners)
{
	struct socket *s, *next;

	a->stopped = true;
	for (s = LIST_FIRST(&a->sockets); s != NULL; s = next) {
		next = LIST_NEXT(s, link);
		if (s->handed)
			take_all(s);
		else if (is_among(s, listeners))
			last_call(s);
		else
			socket_close(s);
	}
}

bool
accept_is_open(const struct acceptor *a)
{
	return (!LIST_EMPTY(&a->sockets));
}

void
accept_stop(struct acceptor *a, uint64_t listeners)
{
	struct socket *s, *next;

	a->stopped = true;
	for (s = LIST_FIRST(&a->sockets); s != NULL; s = next) {
		next = LIST_NEXT(s, link);
		if (s->handed ? listeners != 0 : is_among(s, listeners))
			last_call(s);
		socket_close(s);
	}
	timer_cancel(loop_timers(a->loop), &a->pause);
	a->paused = false;
}

void
accept_free(struct acceptor *a)
{
	if (a == NULL)
		return;
	accept_stop(a, 0);
	free(a);
}
