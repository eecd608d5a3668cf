/* A socket with what is known of it, and the operations of plain TCP. */
#include "worker/tunnel/half.h"

#include <errno.h>
#include <linux/sockios.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "common/base/fd.h"

#define SEGMENT_MAX (64 * 1024)

/* More than a socket holds by default. */
#define DISCARD_MAX (8 * 1024 * 1024)

/*
 * A receive that found less than it asked for left the socket empty (epoll(7),
 * Q9), unless the end of the stream is behind it, or it stopped at urgent
 * bytes.
 */
static struct io
tcp_receive(struct half *h, uint8_t *buf, size_t size)
{
	ssize_t n = fd_recv(h->lfd.fd, buf, size);
	bool empty = (size_t)n < size && !half_behind(h);

	if (n == -EAGAIN)
		return (io_outcome(IO_WAIT_READ));
	if (n < 0)
		return (io_broken(fd_connection_error((int)-n)));
	/* A reset that send() was told of reads as an end of stream here. */
	if (n == 0)
		return (
		    h->error != 0 ? io_broken(h->error) : io_outcome(IO_END));
	return ((struct io){ .outcome = empty ? IO_WAIT_READ : IO_DONE,
	    .n = (size_t)n,
	    .cost = (size_t)n });
}

static struct io
tcp_send(struct half *h, const uint8_t *buf, size_t len)
{
	ssize_t n = fd_send(h->lfd.fd, buf, len);

	if (n == -EAGAIN)
		return (io_outcome(IO_WAIT_WRITE));
	/* What broke it is known, or is asked for. */
	if (n < 0)
		return (io_broken(
		    n == -EPIPE ? -EPIPE : fd_connection_error((int)-n)));
	return (
	    (struct io){ .outcome = (size_t)n < len ? IO_WAIT_WRITE : IO_DONE,
		.n = (size_t)n });
}

static struct io
tcp_flush(struct half *h)
{
	return (io_outcome(IO_DONE));
}

static struct io
tcp_finish(struct half *h)
{
	if (shutdown(h->lfd.fd, SHUT_WR) == -1)
		return (io_broken(-errno));
	return (io_outcome(IO_DONE));
}

static void
tcp_close(struct half *h)
{
}

static const struct half_ops half_tcp_ops = {
	.receive = tcp_receive,
	.send = tcp_send,
	.flush = tcp_flush,
	.finish = tcp_finish,
	.close = tcp_close,
};

/* What every operation says of the socket. */
static void
note(struct half *h, const struct io *io)
{
	if (io->error != 0 && io->outcome != IO_BROKEN && h->error == 0)
		h->error = io->error;
	if (io->why != NULL)
		h->why = io->why;
	if (io->outcome == IO_WAIT_READ)
		h->readable = false;
	if (io->outcome == IO_WAIT_WRITE)
		h->writable = false;
}

struct io
half_receive(struct half *h, uint8_t *buf)
{
	struct io io = h->ops->receive(h, buf, h->room);

	note(h, &io);
	switch (io.outcome) {
	case IO_WAIT_READ:
		/* There is nothing more to come before the error. */
		if (io.n == 0 && h->error != 0)
			return (io_broken(h->error));
		return (io);
	case IO_CUT:
		/* Its stream had no goodbye, so the reset behind it, or the
		 * silence, is what is known of its end. */
		if (h->failed && !half_answered(h))
			(void)half_socket_error(h);
		if (h->error != 0)
			return (io_broken(h->error));
		return (h->strict ? io_broken(-ECONNABORTED) : io);
	default:
		return (io);
	}
}

struct io
half_send(struct half *h, const uint8_t *buf, size_t len)
{
	struct io io = h->ops->send(h, buf, len);

	note(h, &io);
	return (io);
}

struct io
half_flush(struct half *h)
{
	struct io io = h->ops->flush(h);

	note(h, &io);
	return (io);
}

struct io
half_finish(struct half *h)
{
	struct io io = h->ops->finish(h);

	note(h, &io);
	if (io.outcome == IO_DONE) {
		h->finished = true;
		h->goodbye = io.n;
	}
	return (io);
}

/*
 * What the kernel hands to a card at once has 64 KiB with all headers (Linux:
 * GSO_LEGACY_MAX_SIZE), and so have the segments of the loopback interface. A
 * receive leaves room for the frames of records there: or else each chunk would
 * bring a second, tiny segment, which costs as much as the first.
 */
static size_t
room_of(size_t chunk)
{
	return (chunk < SEGMENT_MAX ? chunk : chunk - chunk / 64);
}

void
half_init(struct half *h, const struct half_ops *ops, struct buffers *buffers,
    struct half *peer)
{
	*h = (struct half){
		.lfd.fd = -1,
		.ops = ops,
		.buffers = buffers,
		.peer = peer,
		.room = room_of(buffers->chunk),
	};
}

void
half_tcp_init(struct half *h, struct buffers *buffers, struct half *peer)
{
	half_init(h, &half_tcp_ops, buffers, peer);
}

void
half_event(struct half *h, uint32_t events)
{
	if ((events & EPOLLPRI) != 0)
		h->urgent = true;
	if ((events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0)
		h->readable = true;
	if ((events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) != 0)
		h->writable = true;
	if ((events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0)
		h->hangup = true;
	if ((events & EPOLLERR) != 0)
		h->failed = true;
}

void
half_keep_alive(struct half *h, int64_t silence)
{
	/* Where it fails, a peer that is gone is found later. */
	if (!h->looked_for && h->lfd.fd != -1)
		(void)fd_keepalive(h->lfd.fd, silence);
	h->looked_for = true;
}

int
half_socket_error(struct half *h)
{
	socklen_t len = sizeof(int);
	int error = 0;

	if (h->error != 0 || h->lfd.fd == -1)
		return (h->error);
	if (getsockopt(h->lfd.fd, SOL_SOCKET, SO_ERROR, &error, &len) == -1)
		error = errno;
	h->error = fd_connection_error(error);
	return (h->error);
}

bool
half_answered(const struct half *h)
{
	/* Who has vanished has answered nothing. The FIN counts for a byte. */
	return (h->finished && h->goodbye > 0 && h->error != -ETIMEDOUT &&
		half_unacknowledged(h) <= h->goodbye + 1);
}

bool
half_settled(struct half *h)
{
	if (!h->settled && h->finished)
		h->settled = half_unacknowledged(h) == 0 ||
			     (h->failed && half_answered(h));
	return (h->settled);
}

/*
 * Sees to it that close(2) sends no reset. Where both ends are acknowledged it
 * sends nothing at all; and what came after the peer's end is thrown away, or
 * it would say that it was not read (RFC 2525 section 2.17). MSG_TRUNC: tcp(7).
 */
static void
part(struct half *h, int fd)
{
	if (h->settled && h->hangup)
		return;
	if (h->settled && h->readable)
		(void)recv(fd, NULL, DISCARD_MAX, MSG_TRUNC);
	fd_end_on_close(fd);
}

void
half_close(struct half *h, bool reset)
{
	int fd = h->lfd.fd;

	buffer_return(h->buffers, &h->pending);
	h->ops->close(h);
	h->stream = NULL;
	h->why = NULL;
	if (fd == -1)
		return;
	loop_forget(&h->lfd);
	if (!reset)
		part(h, fd);
	fd_close(&fd);
}

bool
half_lost(struct half *h, int64_t now, int64_t limit, int64_t *next)
{
	struct silence_facts facts;
	int64_t when;

	if (h->lfd.fd == -1 || silence_read(h->lfd.fd, &facts) != 0)
		return (false);
	switch (silence_judge(&h->silence, &facts, now, limit)) {
	case SILENCE_SETTLED:
		return (false);
	case SILENCE_OWES:
		when = silence_next(&h->silence, now, limit);
		*next = when < *next ? when : *next;
		return (false);
	case SILENCE_LOST:
		break;
	}
	if (h->error == 0)
		h->error = -ETIMEDOUT;
	return (true);
}

int64_t
half_last_sent(const struct half *h)
{
	struct silence_facts facts;

	if (h->lfd.fd == -1 || silence_read(h->lfd.fd, &facts) != 0 ||
	    facts.repeated > 0)
		return (INT64_MAX);
	return (facts.last_sent);
}

size_t
half_unacknowledged(const struct half *h)
{
	int n;

	if (h->lfd.fd == -1 || ioctl(h->lfd.fd, SIOCOUTQ, &n) == -1 || n < 0)
		return (0);
	return ((size_t)n);
}
