/* The sockets of c-ares on the loop, and when it wants to be called without an
 * event on any of them. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "common/base/clock.h"
#include "worker/dns/channel_state.h"

/* A socket of c-ares. */
struct dns_socket {
	struct loop_fd lfd;
	int fd;
	struct dns_asker *asker;
	LIST_ENTRY(dns_socket) link;
	struct loop_garbage garbage;
};

static struct dns_channel *
channel_of(const struct dns_asker *asker)
{
	return (asker->server->set->channel);
}

static void
socket_cb(struct loop_fd *lfd, uint32_t events)
{
	struct dns_socket *s = container_of(lfd, struct dns_socket, lfd);
	struct dns_asker *asker = s->asker;
	unsigned ended = asker->ended;
	bool in = events & (EPOLLIN | EPOLLERR | EPOLLHUP);
	bool out = events & (EPOLLOUT | EPOLLERR | EPOLLHUP);

	asker->may_read = true;
	ares_process_fd(asker->ares, in ? s->fd : ARES_SOCKET_BAD,
	    out ? s->fd : ARES_SOCKET_BAD);
	if (asker->may_read || asker->ended != ended)
		return;
	asker->strays++;
	dns_server_stray(asker->server);
}

static void
socket_free_cb(struct loop_garbage *garbage)
{
	free(container_of(garbage, struct dns_socket, garbage));
}

static void
socket_drop(struct dns_socket *s)
{
	struct loop *loop = channel_of(s->asker)->loop;

	loop_del(loop, &s->lfd);
	LIST_REMOVE(s, link);
	loop_free_later(loop, &s->garbage);
}

static int
socket_add(struct dns_asker *asker, int fd, uint32_t events)
{
	struct dns_socket *s = calloc(1, sizeof(*s));
	int error;

	if (s == NULL)
		return (-ENOMEM);
	s->fd = fd;
	s->asker = asker;
	s->lfd.cb = socket_cb;
	s->garbage.free = socket_free_cb;
	error = loop_add(channel_of(asker)->loop, &s->lfd, fd, events);
	if (error != 0)
		free(s);
	else
		LIST_INSERT_HEAD(&asker->sockets, s, link);
	return (error);
}

void
dns_watch_cb(void *data, ares_socket_t fd, int readable, int writable)
{
	struct dns_asker *asker = data;
	struct dns_channel *ch = channel_of(asker);
	struct dns_socket *s;
	uint32_t events =
	    (readable ? EPOLLIN : 0U) | (writable ? EPOLLOUT : 0U);
	int error = 0;

	LIST_FOREACH (s, &asker->sockets, link) {
		if (s->fd == fd)
			break;
	}
	if (s != NULL && events == 0)
		socket_drop(s);
	else if (s != NULL)
		error = loop_mod(ch->loop, &s->lfd, events);
	else if (events != 0)
		error = socket_add(asker, fd, events);
	if (error == 0)
		return;
	/* c-ares cannot be told, so the question ends by its time-out. */
	asker->deaf = true;
	log_write_rate(ch->log, &ch->socket_rate, LOG_LEVEL_ERROR,
	    "resolver: a socket to a name server cannot be watched: %s",
	    strerrordesc_np(-error));
}

void
dns_watch_arm(struct dns_asker *asker, int64_t within)
{
	struct loop *loop = channel_of(asker)->loop;
	int64_t when = loop_now(loop) + within;

	if (!asker->timer.armed || when < asker->timer.when)
		timer_arm(loop_timers(loop), &asker->timer, when);
}

/* Not done per question and answer, since ares_timeout() of 1.18 looks at all
 * questions. */
void
dns_watch_timer(struct timer *timer)
{
	struct dns_asker *asker = container_of(timer, struct dns_asker, timer);
	struct timeval tv = { 0 };
	int64_t within = CLOCK_MSEC; /* at least: it may be early by a hair */

	ares_process_fd(asker->ares, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
	if (asker->awaited == 0 || ares_timeout(asker->ares, NULL, &tv) == NULL)
		return;
	within += tv.tv_sec * CLOCK_SEC + tv.tv_usec * CLOCK_USEC;
	dns_watch_arm(asker, within);
}

void
dns_watch_drop_all(struct dns_asker *asker)
{
	struct dns_socket *s;

	while ((s = LIST_FIRST(&asker->sockets)) != NULL)
		socket_drop(s);
}
