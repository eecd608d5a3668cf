/*
 * Honest clients: a hundred tunnels, each of which asks and waits for the
 * answer, again and again, beside a few that go to the upstream without a
 * proxy and show what the machine itself adds.
 *
 *	honest PORT NAME UPSTREAM-PORT
 *		prints "ready"; at each line on its standard input prints how
 *		things went since the one before and begins anew; leaves at
 *		the end of its standard input
 *
 * A line of answer: tunnels' round trips and their median, 99th percentile
 * and longest, the direct ones' 99th percentile and longest, all in us; then
 * the length of the time in ms.
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/clock.h"

#define TUNNELS	 100
#define DIRECT	 20
#define ALL	 (TUNNELS + DIRECT)
#define INTERVAL (50 * CLOCK_MSEC) /* between two questions of a client */
#define MESSAGE	 100
#define TIMES	 (1 << 20)
#define TIME_MAX 180 /* seconds, whatever happens */

/* As t/bench/load's upstream has it. */
struct header {
	uint8_t order;
	uint8_t size[8];
};

struct client {
	SSL *ssl; /* NULL: direct */
	int fd;
	int64_t due, asked; /* asked 0: nothing is */
};

struct times {
	uint32_t us[TIMES];
	size_t n;
};

struct honest {
	struct client clients[ALL];
	struct times tunnels, direct;
	int epfd;
	int64_t begun;
};

static _Noreturn void
tls_fail(const char *what)
{
	ERR_print_errors_fp(stderr);
	errx(1, "honest client: %s", what);
}

static int
dial(uint16_t port)
{
	static const int on = 1;
	struct sockaddr_in sin = { .sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd == -1 ||
	    connect(fd, (struct sockaddr *)&sin, sizeof(sin)) == -1 ||
	    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) == -1)
		err(1, "honest client: connect");
	return (fd);
}

static void
client_write(struct client *c, const void *p, size_t len)
{
	size_t n = 0;

	if (c->ssl == NULL) {
		if (write(c->fd, p, len) != (ssize_t)len)
			err(1, "honest client: write");
	} else if (SSL_write_ex(c->ssl, p, len, &n) != 1 || n != len) {
		tls_fail("write");
	}
}

static void
client_read(struct client *c)
{
	uint8_t buf[MESSAGE];
	size_t n, left;
	ssize_t r;

	for (left = MESSAGE; left > 0; left -= n) {
		if (c->ssl != NULL) {
			if (SSL_read_ex(c->ssl, buf, left, &n) != 1)
				tls_fail("read");
			continue;
		}
		r = read(c->fd, buf, left);
		if (r <= 0)
			err(1, "honest client: read");
		n = (size_t)r;
	}
}

static void
client_open(struct client *c, SSL_CTX *ctx, uint16_t port, const char *name)
{
	static const uint8_t message[MESSAGE];
	static const struct header header = { .order = 'e' };

	c->fd = dial(port);
	if (ctx != NULL) {
		c->ssl = SSL_new(ctx);
		if (c->ssl == NULL || SSL_set_fd(c->ssl, c->fd) != 1 ||
		    SSL_set_tlsext_host_name(c->ssl, name) != 1 ||
		    SSL_connect(c->ssl) != 1)
			tls_fail("handshake");
	}
	client_write(c, &header, sizeof(header));
	client_write(c, message, MESSAGE);
	client_read(c);
}

static void
ask(struct client *c)
{
	static const uint8_t message[MESSAGE];

	c->asked = clock_now();
	client_write(c, message, MESSAGE);
}

static void
note(struct times *t, int64_t ns)
{
	if (t->n < TIMES)
		t->us[t->n++] = (uint32_t)(ns / CLOCK_USEC);
}

static void
answered(struct honest *h, struct client *c)
{
	int64_t now;

	if (c->asked == 0)
		errx(1, "honest client: an end, or more than was asked for");
	client_read(c);
	now = clock_now();
	note(c->ssl != NULL ? &h->tunnels : &h->direct, now - c->asked);
	c->asked = 0;
	c->due += INTERVAL;
	/* What was missed is not made up for in a burst. */
	if (c->due < now)
		c->due = now;
}

static int
compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return ((x > y) - (x < y));
}

static uint32_t
percentile(const struct times *t, unsigned percent)
{
	if (t->n == 0)
		return (0);
	return (t->us[(t->n - 1) * percent / 100]);
}

static void
report(struct honest *h)
{
	int64_t now = clock_now();
	struct times *t = &h->tunnels, *d = &h->direct;

	/* Whoever waits still has waited that long at least. */
	for (unsigned i = 0; i < TUNNELS; i++)
		if (h->clients[i].asked != 0 &&
		    now - h->clients[i].asked > CLOCK_SEC)
			note(t, now - h->clients[i].asked);
	qsort(t->us, t->n, sizeof(t->us[0]), compare);
	qsort(d->us, d->n, sizeof(d->us[0]), compare);
	printf("%zu %u %u %u %u %u %lld\n", t->n, percentile(t, 50),
	    percentile(t, 99), percentile(t, 100), percentile(d, 99),
	    percentile(d, 100), (long long)((now - h->begun) / CLOCK_MSEC));
	t->n = d->n = 0;
	h->begun = clock_now();
}

/* Asks whatever is due; returns the ms until the next one is. */
static int
ask_all(struct honest *h)
{
	int64_t now = clock_now(), next = now + INTERVAL;

	for (struct client *c = h->clients; c < h->clients + ALL; c++) {
		if (c->asked != 0)
			continue;
		if (c->due <= now)
			ask(c);
		else if (c->due < next)
			next = c->due;
	}
	return ((int)((next - now + CLOCK_MSEC - 1) / CLOCK_MSEC));
}

static void
serve(struct honest *h)
{
	struct epoll_event events[ALL];
	struct client *c;
	char line[64];
	int i, n;

	for (;;) {
		n = epoll_wait(h->epfd, events, ALL, ask_all(h));
		for (i = 0; i < n; i++) {
			c = events[i].data.ptr;
			if (c != NULL)
				answered(h, c);
			else if (read(STDIN_FILENO, line, sizeof(line)) > 0)
				report(h);
			else
				return;
		}
	}
}

static void
watch(struct honest *h, int fd, struct client *c)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = c };

	if (epoll_ctl(h->epfd, EPOLL_CTL_ADD, fd, &ev) == -1)
		err(1, "epoll_ctl");
}

int
main(int argc, char **argv)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	struct honest *h = calloc(1, sizeof(*h));
	unsigned i;

	signal(SIGPIPE, SIG_IGN);
	setvbuf(stdout, NULL, _IOLBF, 0);
	alarm(TIME_MAX);
	if (argc != 4)
		errx(2, "PORT NAME UPSTREAM-PORT");
	if (ctx == NULL || h == NULL)
		errx(1, "no memory");
	h->epfd = epoll_create1(EPOLL_CLOEXEC);
	for (i = 0; i < ALL; i++) {
		client_open(&h->clients[i], i < TUNNELS ? ctx : NULL,
		    (uint16_t)atoi(argv[i < TUNNELS ? 1 : 3]), argv[2]);
		watch(h, h->clients[i].fd, &h->clients[i]);
	}
	watch(h, STDIN_FILENO, NULL);
	h->begun = clock_now();
	for (i = 0; i < ALL; i++)
		h->clients[i].due = h->begun + INTERVAL * i / ALL;
	puts("ready");
	serve(h);
	return (0);
}
