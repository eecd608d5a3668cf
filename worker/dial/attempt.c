/* Connects to one address, and says what came of it. */
#include "worker/dial/attempt.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "common/base/fd.h"
#include "common/conf/conf.h"
#include "common/net/guard.h"
#include "worker/dial/egress.h"

uint64_t
attempt_random(uint64_t *state)
{
	uint64_t x = *state;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	*state = x;
	return (x);
}

enum reason
attempt_reason(const struct attempt *a)
{
	if (a->egress_failed &&
	    (a->error == EADDRNOTAVAIL || a->error == ENODEV))
		return (REASON_EGRESS_MISSING);
	if (a->egress_failed)
		return (REASON_EGRESS_FAILED);
	switch (a->error) {
	case ECONNREFUSED:
		return (REASON_CONNECT_REFUSED);
	case ENETUNREACH:
	case EHOSTUNREACH:
	case ENETDOWN:
	case EHOSTDOWN:
	case EAFNOSUPPORT:
		return (REASON_CONNECT_UNREACHABLE);
	case ETIMEDOUT:
		return (REASON_CONNECT_TIMEOUT);
	case EADDRNOTAVAIL:
		return (REASON_CONNECT_NO_PORT);
	case ENOMEM:
	case ENOBUFS:
		return (REASON_NO_MEMORY);
	default:
		return (REASON_CONNECT_FAILED);
	}
}

bool
attempt_open(const struct attempt *a)
{
	return (a->lfd.fd != -1);
}

void
attempt_close(struct attempt *a)
{
	int fd = a->lfd.fd;

	if (fd == -1)
		return;
	loop_del(a->loop, &a->lfd);
	fd_close(&fd);
}

bool
attempt_was_connected(const struct attempt *a)
{
	return (a->error == ECONNRESET || a->error == EPIPE);
}

/* Only for the guard and the audit line, which can do without. A connection
 * that is broken has no port any more. */
static void
find_local(struct attempt *a)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);

	if (getsockname(a->lfd.fd, (struct sockaddr *)&ss, &len) == 0)
		(void)addr_from_sockaddr(
		    &a->local, (struct sockaddr *)&ss, len);
}

static void
socket_cb(struct loop_fd *lfd, uint32_t events)
{
	struct attempt *a = container_of(lfd, struct attempt, lfd);
	socklen_t len = sizeof(int);

	a->events |= events;
	if ((events & (EPOLLERR | EPOLLHUP)) != 0) {
		if (getsockopt(
			lfd->fd, SOL_SOCKET, SO_ERROR, &a->error, &len) == -1)
			a->error = errno;
		if (a->error == 0) /* both its ends are closed already */
			a->error = ENOTCONN;
		a->cb(a);
	} else if ((events & EPOLLOUT) != 0) {
		find_local(a);
		a->cb(a);
	}
}

/*
 * Did connect(2) fail since this host does not have the source, which bind(2)
 * has taken? It may have gone since, or net.ipv4.ip_nonlocal_bind is set. Linux
 * 6.1 says EINVAL, and 6.18 ENETUNREACH, as it does without a route.
 */
static bool
lost_source(const struct attempt_way *way, int fd, int error)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	struct addr source;

	if (error != -EINVAL && error != -ENETUNREACH && error != -EHOSTUNREACH)
		return (false);
	if (way->egress == NULL || way->egress->nsource == 0 ||
	    getsockname(fd, (struct sockaddr *)&ss, &len) == -1 ||
	    addr_from_sockaddr(&source, (struct sockaddr *)&ss, len) != 0)
		return (false);
	return (
	    source.family == AF_INET && !guard_leads_here(way->probe, &source));
}

/* A socket that leaves by the k-th source address of the egress line, on its
 * way to the address. The descriptor, or -errno. */
static int
open_socket(struct attempt *a, const struct attempt_way *way, size_t k)
{
	struct sockaddr_storage ss;
	socklen_t len = addr_to_sockaddr(&a->addr, &ss);
	int error, fd;

	a->egress_failed = false;
	fd = socket(a->addr.family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
	    IPPROTO_TCP);
	if (fd == -1)
		return (-errno);
	error = fd_tunnel_options(fd, NULL);
	if (error == 0) {
		error = dial_egress_apply(
		    fd, way->egress, way->lines, a->addr.family, k);
		a->egress_failed = error != 0;
	}
	if (error == 0 && connect(fd, (struct sockaddr *)&ss, len) == -1 &&
	    errno != EINPROGRESS) {
		error = -errno;
		a->egress_failed = lost_source(way, fd, error);
		if (a->egress_failed)
			error = -EADDRNOTAVAIL;
	}
	if (error == 0)
		return (fd);
	fd_close(&fd);
	return (error);
}

static int
open_any_socket(struct attempt *a, const struct attempt_way *way)
{
	size_t n = dial_egress_sources(way->egress, a->addr.family);
	size_t i, first = n > 1 ? attempt_random(way->random) % n : 0;
	int fd = -EADDRNOTAVAIL;
	bool no_port = false;

	if (n == 0)
		return (open_socket(a, way, 0));
	for (i = 0; i < n && fd == -EADDRNOTAVAIL; i++) {
		fd = open_socket(a, way, (first + i) % n);
		no_port =
		    no_port || (fd == -EADDRNOTAVAIL && !a->egress_failed);
	}
	/* One that this host has says more than one that it lacks. */
	if (no_port && fd == -EADDRNOTAVAIL)
		a->egress_failed = false;
	return (fd);
}

int
attempt_start(struct attempt *a, const struct attempt_way *way,
    const struct addr *addr, attempt_cb *cb)
{
	int error, fd;

	*a = (struct attempt){
		.lfd = { .fd = -1, .cb = socket_cb },
		.loop = way->loop,
		.cb = cb,
		.addr = *addr,
	};
	fd = open_any_socket(a, way);
	error = fd;
	if (fd >= 0) {
		error = loop_add(a->loop, &a->lfd, fd, LOOP_STREAM);
		if (error != 0)
			fd_close(&fd);
	}
	a->error = error < 0 ? -error : 0;
	return (error < 0 ? error : 0);
}
