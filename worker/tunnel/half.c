#include <errno.h>
#include <linux/sockios.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "common/base/fd.h"
#include "worker/tls/tls.h"
#include "worker/tunnel/half.h"

/* A receive that found less than it asked for left the socket empty (epoll(7),
 * Q9), unless the end of the stream is behind it, or it stopped at urgent
 * bytes. */
static void
note_drained(struct half *h, bool drained)
{
	if (drained && !h->hangup && !h->urgent)
		h->readable = false;
}

static ssize_t
tcp_receive(struct half *h, uint8_t *buf, size_t size)
{
	size_t want = h->buffers->chunk;
	ssize_t n;

	n = fd_recv(h->lfd.fd, buf, want);
	if (n == -EAGAIN) {
		h->readable = false;
		return (h->error != 0 ? h->error : -EAGAIN);
	}
	if (n < 0)
		return (fd_connection_error((int)-n));
	/* A reset that send() was told of reads as an end of stream here. */
	if (n == 0 && h->error != 0)
		return (h->error);
	note_drained(h, n > 0 && (size_t)n < want);
	h->cost = (size_t)n;
	return (n);
}

static ssize_t
tcp_send(struct half *h, const uint8_t *buf, size_t len)
{
	ssize_t n = fd_send(h->lfd.fd, buf, len);

	if (n < 0) {
		if (n == -EAGAIN)
			h->writable = false;
		/* What broke it is known, or is asked for. */
		return (n == -EPIPE ? -EPIPE : fd_connection_error((int)-n));
	}
	if ((size_t)n < len)
		h->writable = false;
	return (n);
}

static int
tcp_flush(struct half *h)
{
	return (0);
}

static int
tcp_finish(struct half *h)
{
	if (shutdown(h->lfd.fd, SHUT_WR) == -1)
		return (-errno);
	return (0);
}

static ssize_t
tls_half_receive(struct half *h, uint8_t *buf, size_t size)
{
	ssize_t n = tls_receive(h->tls, buf, size);

	if (h->error == 0)
		h->error = tls_socket_error(h->tls);
	if (n == -EAGAIN) {
		h->readable = !tls_drained(h->tls, h->hangup || h->urgent);
		if (!h->readable && h->error != 0)
			return (h->error);
	} else if (n == -EPIPE && h->failed && !half_answered(h) &&
		   half_socket_error(h) != 0) {
		/* Its stream had no goodbye, so the reset behind it, or the
		 * silence, is what is known of its end. */
		return (h->error);
	} else if ((n == -EPIPE && (h->error != 0 || h->strict)) ||
		   n == -ECONNABORTED) {
		return (h->error != 0 ? h->error : -ECONNABORTED);
	} else if (n > 0) {
		note_drained(h, tls_drained(h->tls, false));
	}
	h->cost = tls_cost(h->tls, n > 0 ? (size_t)n : 0);
	return (n);
}

static int
tls_half_flush(struct half *h)
{
	int error = tls_flush(h->tls);

	if (error == -EAGAIN)
		h->writable = false;
	return (error);
}

static ssize_t
tls_half_send(struct half *h, const uint8_t *buf, size_t len)
{
	ssize_t n = tls_send(h->tls, buf, len);

	if (tls_unsent(h->tls))
		h->writable = false;
	return (n);
}

static int
tls_half_finish(struct half *h)
{
	int error = tls_finish(h->tls);

	if (error == -EAGAIN)
		h->writable = false;
	if (error != 0)
		return (error);
	/* RFC 8446 section 6.1: close_notify, then the write side. Clients
	 * that wait for TCP's end and not for TLS's see it too. */
	error = tcp_finish(h);
	/* Who has closed already answers close_notify with a reset. Whether
	 * there is more to it is for those to find out who read. */
	return (error == -ENOTCONN ? 0 : error);
}

const struct half_ops half_tcp_ops = {
	.receive = tcp_receive,
	.send = tcp_send,
	.flush = tcp_flush,
	.finish = tcp_finish,
};

const struct half_ops half_tls_ops = {
	.receive = tls_half_receive,
	.send = tls_half_send,
	.flush = tls_half_flush,
	.finish = tls_half_finish,
};

void
half_init(struct half *h, const struct half_ops *ops, struct buffers *buffers,
    struct half *peer)
{
	*h = (struct half){
		.lfd.fd = -1, .ops = ops, .buffers = buffers, .peer = peer
	};
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
	size_t goodbye = h->tls != NULL ? tls_goodbye(h->tls) : 0;

	/* The FIN counts for a byte. */
	return (h->finished && goodbye > 0 &&
		half_unacknowledged(h) <= goodbye + 1);
}

void
half_close(struct half *h, bool reset)
{
	int fd = h->lfd.fd;

	buffer_return(h->buffers, &h->unsent);
	if (h->tls != NULL && h->error == 0)
		tls_part(h->tls);
	tls_free(h->tls);
	h->tls = NULL;
	if (fd == -1)
		return;
	loop_forget(&h->lfd);
	if (!reset)
		fd_end_on_close(fd);
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
