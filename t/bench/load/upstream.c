/* The upstream of the load generator. */
#include "t/bench/load/upstream.h"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <err.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "t/bench/load/loop.h"

#define CHUNK (256 * 1024)

struct conn {
	struct watch watch;
	struct header header;
	size_t header_len;
	uint64_t left;
};

static uint8_t chunk[CHUNK];
static uint16_t ports[UPSTREAM_PORTS];
static unsigned nports;

/* A client that closes early, as at the end of a work, is no error. */
static void
conn_write(struct conn *c, const void *p, size_t len)
{
	ssize_t n = write(c->watch.fd, p, len);

	if (n == -1 && errno != EPIPE && errno != ECONNRESET)
		err(1, "upstream: write");
	if (n >= 0 && (size_t)n != len)
		errx(1, "upstream: %zd of %zu bytes written", n, len);
}

static void
conn_source(struct conn *c)
{
	ssize_t n = 0;

	while (c->left > 0 && n >= 0) {
		n = write(
		    c->watch.fd, chunk, c->left < CHUNK ? c->left : CHUNK);
		if (n > 0)
			c->left -= (uint64_t)n;
	}
	if (n == -1 && errno == EAGAIN)
		return;
	(void)shutdown(c->watch.fd, SHUT_WR);
	watch_change(&c->watch, EPOLLIN);
}

/* Takes what belongs to the header; returns how much. */
static size_t
conn_header(struct conn *c, const uint8_t *p, size_t len)
{
	size_t n = sizeof(c->header) - c->header_len;

	if (n == 0)
		return (0);
	n = n < len ? n : len;
	memcpy((uint8_t *)&c->header + c->header_len, p, n);
	c->header_len += n;
	if (c->header_len < sizeof(c->header))
		return (n);
	memcpy(&c->left, c->header.size, sizeof(c->left));
	if (c->header.order == ORDER_SOURCE)
		watch_change(&c->watch, EPOLLOUT);
	return (n);
}

static void
conn_read(struct conn *c)
{
	ssize_t n = read(c->watch.fd, chunk, CHUNK);
	size_t used;

	if (n == -1 && errno == EAGAIN)
		return;
	if (n <= 0) {
		watch_free(&c->watch);
		return;
	}
	used = conn_header(c, chunk, (size_t)n);
	n -= (ssize_t)used;
	if (n == 0)
		return;
	if (c->header.order == ORDER_ECHO) {
		conn_write(c, chunk + used, (size_t)n);
	} else if (c->header.order == ORDER_SINK) {
		c->left -= (uint64_t)n;
		if (c->left == 0)
			conn_write(c, "!", 1);
	} else if (c->header.order != ORDER_SOURCE) {
		errx(1, "upstream: no such order");
	}
}

static void
conn_ready(struct watch *w, uint32_t events)
{
	struct conn *c = (struct conn *)w;

	if ((events & (EPOLLERR | EPOLLHUP)) != 0)
		watch_free(w);
	else if ((events & EPOLLOUT) != 0)
		conn_source(c);
	else
		conn_read(c);
}

static void
listen_ready(struct watch *w, uint32_t events)
{
	struct conn *c;
	int fd = accept4(w->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd == -1) {
		if (errno != EAGAIN && errno != ECONNABORTED)
			err(1, "accept");
		return;
	}
	c = must_calloc(1, sizeof(*c));
	c->watch.fd = fd;
	c->watch.ready = conn_ready;
	set_nodelay(fd);
	watch_add(&c->watch, EPOLLIN);
}

static void
open_one(uint16_t *port)
{
	struct watch *w = must_calloc(1, sizeof(*w));
	struct sockaddr_in sin = loopback(0);
	socklen_t len = sizeof(sin);

	w->ready = listen_ready;
	w->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (w->fd == -1 || bind(w->fd, (struct sockaddr *)&sin, len) == -1 ||
	    listen(w->fd, 4096) == -1 ||
	    getsockname(w->fd, (struct sockaddr *)&sin, &len) == -1)
		err(1, "upstream");
	watch_add(w, EPOLLIN);
	*port = ntohs(sin.sin_port);
}

void
upstream_open(unsigned n)
{
	for (; nports < n; nports++)
		open_one(&ports[nports]);
}

uint16_t
upstream_port(uint64_t i)
{
	return (ports[i % nports]);
}
