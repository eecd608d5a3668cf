#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "common/base/clock.h"
#include "common/base/fd.h"
#include "common/policy/verdict.h"
#include "worker/dial/egress.h"
#include "worker/dial/state.h"

/* RFC 8305 section 5, the recommended value. */
#define ATTEMPT_DELAY (250 * CLOCK_MSEC)

static enum reason
connect_reason(int error)
{
	switch (error) {
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

void
dial_attempt_close(struct attempt *a)
{
	int fd = a->lfd.fd;

	if (fd == -1)
		return;
	loop_del(a->dial->context->loop, &a->lfd);
	fd_close(&fd);
	a->dial->pending--;
}

static void
attempt_failed(struct attempt *a, int error)
{
	struct dial *d = a->dial;
	enum reason reason =
	    a->line_failed ? REASON_EGRESS_FAILED : connect_reason(error);

	d->tried[a->try] =
	    (struct audit_try){ .addr = a->addr, .reason = reason };
	/* That the line is not for this family says less than anything else
	 * that has happened. */
	if (!a->line_failed || error != EAFNOSUPPORT ||
	    d->reason == REASON_NONE) {
		d->reason = reason;
		d->detail = strerrordesc_np(error);
	}
	dial_attempt_close(a);
	/* RFC 8305 section 5: the next one need not wait. */
	d->next_attempt = 0;
}

/*
 * Was it connected and then reset? A connection that is refused is not called
 * so (Linux, tcp_reset()), and one that was made may have left bytes.
 */
static bool
was_connected(int error)
{
	return (error == ECONNRESET || error == EPIPE);
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

/* An address that the guard refuses: notes what is to be told of it. A failed
 * connection says more. */
static void
refused(struct dial *d, enum reason reason, const char *why)
{
	if (d->reason != REASON_NONE && reason != REASON_OWN_LISTENER)
		return;
	d->reason = reason;
	d->detail = why;
}

/* It is connected; but if that turns out to be with this host, no further. */
static void
attempt_connected(struct attempt *a)
{
	struct dial *d = a->dial;
	const char *why = NULL;
	enum reason reason;

	find_local(a);
	reason = verdict_connected(
	    d->context->guard, d->rule, &a->addr, &a->local, &why);
	if (reason == REASON_NONE) {
		dial_succeeded(d, a);
		return;
	}
	d->tried[a->try] =
	    (struct audit_try){ .addr = a->addr, .reason = reason };
	refused(d, reason, why);
	dial_attempt_close(a);
	d->next_attempt = 0;
	dial_advance(d);
}

static void
attempt_cb(struct loop_fd *lfd, uint32_t events)
{
	struct attempt *a = container_of(lfd, struct attempt, lfd);
	socklen_t len = sizeof(int);
	int error = 0;

	if ((events & (EPOLLERR | EPOLLHUP)) != 0) {
		if (getsockopt(lfd->fd, SOL_SOCKET, SO_ERROR, &error, &len) ==
		    -1)
			error = errno;
		if (was_connected(error)) {
			a->error = -ECONNRESET;
			dial_succeeded(a->dial, a);
			return;
		}
		attempt_failed(a, error != 0 ? error : ECONNRESET);
		dial_advance(a->dial);
	} else if ((events & EPOLLOUT) != 0) {
		attempt_connected(a);
	}
}

uint64_t
dial_random(uint64_t *state)
{
	uint64_t x = *state;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	*state = x;
	return (x);
}

/* A socket that leaves by the k-th source address of the rule's line, on its
 * way to the address. The descriptor, or -errno. */
static int
open_socket(struct attempt *a, size_t k)
{
	struct sockaddr_storage ss;
	socklen_t len = addr_to_sockaddr(&a->addr, &ss);
	int error, fd;

	fd = socket(a->addr.family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
	    IPPROTO_TCP);
	if (fd == -1)
		return (-errno);
	error = fd_tunnel_options(fd, NULL);
	if (error == 0)
		error = fd_keepalive(fd, a->dial->context->lost);
	if (error == 0) {
		error = dial_egress_apply(
		    fd, a->dial->rule->line, a->addr.family, k);
		a->line_failed = error != 0;
	}
	if (error == 0 && connect(fd, (struct sockaddr *)&ss, len) == -1 &&
	    errno != EINPROGRESS)
		error = -errno;
	if (error == 0)
		return (fd);
	fd_close(&fd);
	return (error);
}

/*
 * Starts to connect. 0 or -errno. Where one source address has no free port
 * towards this upstream, another one of the line may have.
 */
static int
attempt_connect(struct attempt *a)
{
	struct dial_context *context = a->dial->context;
	size_t n = dial_egress_sources(a->dial->rule->line, a->addr.family);
	size_t i, first = n > 1 ? dial_random(&context->random) % n : 0;
	int error, fd = -EADDRNOTAVAIL;

	if (n == 0)
		return (open_socket(a, 0));
	for (i = 0; i < n && fd == -EADDRNOTAVAIL; i++)
		fd = open_socket(a, (first + i) % n);
	if (fd < 0)
		return (fd);
	error = loop_add(context->loop, &a->lfd, fd,
	    EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET);
	if (error != 0) {
		fd_close(&fd);
		return (error);
	}
	a->dial->pending++;
	return (0);
}

/*
 * Notes an address for the audit line and returns its place there. The last
 * place is shared by all that come when the others are taken: the latest
 * says more than the one before it.
 */
static size_t
note_try(struct dial *d, const struct addr *addr, enum reason reason)
{
	if (d->ntried < AUDIT_TRIED_MAX)
		d->ntried++;
	d->tried[d->ntried - 1] =
	    (struct audit_try){ .addr = *addr, .reason = reason };
	return (d->ntried - 1);
}

/* Is it permitted? If not, notes why. The very address that was checked is
 * dialled. */
static bool
permitted(struct dial *d, const struct addr *addr)
{
	const char *why = NULL;
	enum reason reason = verdict_dial(
	    d->context->guard, &d->context->probe, d->rule, addr, &why);

	if (reason == REASON_NONE)
		return (true);
	if (d->nattempts == 0 || d->ntried < AUDIT_TRIED_MAX)
		note_try(d, addr, reason);
	refused(d, reason, why);
	return (false);
}

void
dial_try(struct dial *d, const struct addr *addr)
{
	struct attempt *a;
	int error;

	if (!permitted(d, addr))
		return;
	a = &d->attempts[d->nattempts++];
	*a = (struct attempt){
		.lfd = { .fd = -1, .cb = attempt_cb },
		.dial = d,
		.addr = *addr,
		.try = note_try(d, addr, REASON_NONE),
	};
	d->next_attempt = loop_now(d->context->loop) + ATTEMPT_DELAY;
	error = attempt_connect(a);
	if (error != 0)
		attempt_failed(a, -error);
}
