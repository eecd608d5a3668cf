#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/boot.h"
#include "common/clock.h"
#include "common/fd.h"
#include "common/log.h"
#include "common/stats.h"
#include "worker/accept.h"
#include "worker/limits.h"
#include "worker/loop.h"
#include "worker/tunnel.h"

/* Accepting is tried again after this, or when a tunnel ends. */
#define PAUSE (100 * CLOCK_MSEC)

/* A listener of which nobody is left to serve the queue cannot hold more. */
#define LAST_CALL 65536

struct socket {
	struct loop_fd lfd;
	struct acceptor *acceptor;
	const struct conf_listener *listener;
	unsigned index; /* of the listener */
	bool surplus;
};

struct acceptor {
	struct loop *loop;
	const struct boot *boot;
	struct tunnels *tunnels;
	struct timer pause, surplus;
	struct log_rate rate;
	bool paused;
	size_t nsockets;
	struct socket sockets[];
};

static void
set_events(struct acceptor *a, uint32_t events)
{
	size_t i;

	for (i = 0; i < a->nsockets; i++)
		if (a->sockets[i].lfd.fd != -1)
			/* Fails for want of kernel memory alone; then a busy
			 * or a deaf socket is tried again at the next pause. */
			(void)loop_mod(a->loop, &a->sockets[i].lfd, events);
}

static void
pause_accepting(struct acceptor *a, const char *why)
{
	log_write_rate(a->boot->log, &a->rate, LOG_LEVEL_WARNING,
	    "listeners: accepting paused: %s", why);
	stats_add(&a->tunnels->slot->count[STAT_ACCEPT_PAUSES], 1);
	a->paused = true;
	set_events(a, 0);
	timer_arm(loop_timers(a->loop), &a->pause, loop_now(a->loop) + PAUSE);
}

void
accept_resume(struct acceptor *a)
{
	if (!a->paused)
		return;
	a->paused = false;
	timer_cancel(loop_timers(a->loop), &a->pause);
	set_events(a, EPOLLIN);
}

static void
pause_cb(struct timer *t)
{
	accept_resume(container_of(t, struct acceptor, pause));
}

static void
admit(struct socket *s, int fd, const struct sockaddr *sa, socklen_t len)
{
	struct acceptor *a = s->acceptor;
	enum reason reason = limits_admit(&a->tunnels->limits);
	struct addr client;

	/* Only AF_INET and AF_INET6 can come from our listeners. */
	if (addr_from_sockaddr(&client, sa, len) != 0)
		client = (struct addr){ 0 };
	if (reason != REASON_NONE)
		tunnel_refuse(a->tunnels, fd, &client, s->listener, reason);
	else
		tunnel_open(a->tunnels, fd, &client, s->listener);
}

/* Accepts one. False: there is none, or none can be had now. */
static bool
accept_one(struct socket *s)
{
	struct acceptor *a = s->acceptor;
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	int fd;

	if (!limits_descriptors(
		&a->tunnels->limits, a->tunnels->count, a->nsockets)) {
		pause_accepting(a, "the limit on open files is near");
		return (false);
	}
	fd = accept4(s->lfd.fd, (struct sockaddr *)&ss, &len,
	    SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd != -1) {
		admit(s, fd, (struct sockaddr *)&ss, len);
		return (true);
	}
	switch (errno) {
	case EMFILE:
	case ENFILE:
	case ENOBUFS:
	case ENOMEM:
		pause_accepting(a, strerrordesc_np(errno));
		return (false);
	case EAGAIN:
	case EINVAL: /* the master has shut this socket down */
		return (false);
	default:
		/* The connection died in the queue: accept(2), "Error
		 * handling" has the list. The next one may be good. */
		return (true);
	}
}

static void
socket_cb(struct loop_fd *lfd, uint32_t events)
{
	accept_one(container_of(lfd, struct socket, lfd));
}

/* The number is not for another socket, of which the sandbox would forbid what
 * it forbids of a listener. */
static void
socket_close(struct socket *s)
{
	int fd = s->lfd.fd;

	if (fd == -1)
		return;
	loop_del(s->acceptor->loop, &s->lfd);
	if (dup3(STDIN_FILENO, fd, O_CLOEXEC) == -1)
		fd_close(&fd);
}

static void
last_call(struct socket *s)
{
	int i;

	for (i = 0; i < LAST_CALL && s->lfd.fd != -1; i++)
		if (!accept_one(s))
			break;
}

/* No connections are steered to the surplus sockets any more; by now those
 * that were on their way have arrived. */
static void
surplus_cb(struct timer *t)
{
	struct acceptor *a = container_of(t, struct acceptor, surplus);
	size_t i;

	for (i = 0; i < a->nsockets; i++) {
		if (!a->sockets[i].surplus)
			continue;
		last_call(&a->sockets[i]);
		socket_close(&a->sockets[i]);
	}
}

int
accept_start(struct acceptor **out, struct loop *loop, const struct boot *boot,
    struct tunnels *tunnels)
{
	struct acceptor *a =
	    calloc(1, sizeof(*a) + boot->nsockets * sizeof(a->sockets[0]));
	const struct boot_socket *b;
	struct socket *s;
	int error;

	if (a == NULL)
		return (-ENOMEM);
	a->loop = loop;
	a->boot = boot;
	a->tunnels = tunnels;
	timer_init(&a->pause, pause_cb);
	timer_init(&a->surplus, surplus_cb);
	for (; a->nsockets < boot->nsockets; a->nsockets++) {
		b = &boot->sockets[a->nsockets];
		s = &a->sockets[a->nsockets];
		*s = (struct socket){
			.lfd.cb = socket_cb,
			.acceptor = a,
			.listener = &boot->conf->listeners[b->listener],
			.index = b->listener,
			.surplus = b->surplus,
		};
		error = loop_add(loop, &s->lfd, b->fd, EPOLLIN);
		if (error != 0) {
			accept_free(a);
			return (error);
		}
		if (s->surplus)
			timer_arm(loop_timers(loop), &a->surplus,
			    loop_now(loop) + BOOT_SURPLUS_TIME);
	}
	*out = a;
	return (0);
}

void
accept_stop(struct acceptor *a, uint64_t listeners)
{
	size_t i;

	for (i = 0; i < a->nsockets; i++) {
		if ((listeners & UINT64_C(1) << a->sockets[i].index) != 0)
			last_call(&a->sockets[i]);
		socket_close(&a->sockets[i]);
	}
	timer_cancel(loop_timers(a->loop), &a->pause);
	timer_cancel(loop_timers(a->loop), &a->surplus);
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
