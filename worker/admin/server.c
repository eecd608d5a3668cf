/* Accepts connections of the HTTP server, and bounds how many there are. */
#include "worker/admin/server.h"

#include <errno.h>
#include <sys/socket.h>

#include "common/base/clock.h"
#include "worker/admin/conn.h"

#define ACCEPTS_PER_TURN 16

/* Without descriptors or memory. */
#define RETRY (100 * CLOCK_MSEC)

static void
shut(struct door *d)
{
	if (!d->shut && d->fd.fd != -1)
		(void)loop_mod(d->server->loop, &d->fd, 0);
	d->shut = true;
}

/* False: all that there are have been heard. */
static bool
make_room(struct door *d)
{
	struct conn *c;

	if (d->nconns < SERVER_CONNS_MAX)
		return (true);
	TAILQ_FOREACH (c, &d->server->conns, entry) {
		if (c->door == d && c->phase != CONN_ANSWERING) {
			conn_drop(c);
			return (true);
		}
	}
	return (false);
}

static void
door_cb(struct loop_fd *lfd, uint32_t events)
{
	struct door *d = container_of(lfd, struct door, fd);
	struct timers *timers = loop_timers(d->server->loop);
	int i, fd;

	for (i = 0; i < ACCEPTS_PER_TURN; i++) {
		if (!make_room(d)) {
			shut(d);
			return;
		}
		fd = accept4(lfd->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd >= 0 && conn_new(d, fd) == 0)
			continue;
		if (fd < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			return;
		/* Others are of the connection that has failed already. */
		if (fd >= 0 || errno == EMFILE || errno == ENFILE ||
		    errno == ENOBUFS || errno == ENOMEM) {
			shut(d);
			timer_arm(timers, &d->again,
			    loop_now(d->server->loop) + RETRY);
			return;
		}
	}
}

static void
again_cb(struct timer *t)
{
	struct door *d = container_of(t, struct door, again);

	if (d->shut && d->fd.fd != -1)
		(void)loop_mod(d->server->loop, &d->fd, EPOLLIN);
	d->shut = false;
}

static int
open_door(struct server *s, struct door *d, int fd)
{
	*d = (struct door){ .server = s,
		.fd = { .fd = -1, .cb = door_cb },
		.control = d == &s->operator};
	timer_init(&d->again, again_cb);
	return (fd == -1 ? 0 : loop_add(s->loop, &d->fd, fd, EPOLLIN));
}

int
server_start(struct server *s, struct admin *admin, struct loop *loop, int http,
    int operator)
{
	int error;

	s->admin = admin;
	s->loop = loop;
	TAILQ_INIT(&s->conns);
	error = open_door(s, &s->http, http);
	return (error != 0 ? error : open_door(s, &s->operator, operator));
}

void
server_drain(struct server *s)
{
	loop_del(s->loop, &s->http.fd);
	loop_del(s->loop, &s->operator.fd);
}

bool
server_is_empty(const struct server *s)
{
	return (TAILQ_EMPTY(&s->conns));
}

void
server_stop(struct server *s)
{
	struct conn *c;

	server_drain(s);
	while ((c = TAILQ_FIRST(&s->conns)) != NULL)
		conn_drop(c);
}
