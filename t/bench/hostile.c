/*
 * Clients that do nothing but stay:
 *
 *	hostile KIND PORT NAME COUNT SECONDS
 *
 * silent sends nothing; trickle a byte of a ClientHello each second; fat sends
 * all but the last byte of the largest; half stops in the middle of the
 * handshake; deaf lets the upstream send and never reads. They come
 * evenly over that many seconds; then it prints "ready", waits until the last
 * of them was thrown out, and prints how many, and after how many ms of their
 * own the first and the last were.
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <netinet/in.h>
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

#define TIME_MAX  120 /* seconds, whatever happens */
#define EVENTS	  256
#define DEAF_ROOM 4096 /* bytes that the kernel takes for the deaf */
#define DEAF_SENT (512 * 1024)

struct victim {
	uint16_t port;
	const char *name;
	SSL_CTX *ctx;
	uint8_t hello[4096];
	size_t hello_len;
};

struct client {
	int fd; /* -1: gone */
	size_t sent;
	int64_t begun, next;
};

struct kind {
	const char *name;
	void (*begin)(const struct victim *, struct client *);
	bool trickles;
};

struct crowd {
	struct victim victim;
	const struct kind *kind;
	struct client *clients;
	unsigned count, there, gone;
	int64_t first, last;
	int epfd;
};

static void
dial(const struct victim *v, struct client *c, int room)
{
	struct sockaddr_in sin = { .sin_family = AF_INET,
		.sin_port = htons(v->port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (c->fd == -1)
		err(1, "hostile client: socket");
	if (room > 0)
		(void)setsockopt(
		    c->fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
	if (connect(c->fd, (struct sockaddr *)&sin, sizeof(sin)) == -1)
		err(1, "hostile client: connect");
}

static void
trickle(const struct victim *v, struct client *c)
{
	if (c->sent < v->hello_len)
		(void)send(c->fd, v->hello + c->sent++, 1,
		    MSG_NOSIGNAL | MSG_DONTWAIT);
	c->next += CLOCK_SEC;
}

static void
begin_trickle(const struct victim *v, struct client *c)
{
	dial(v, c, 0);
	c->begun = c->next = clock_now();
	trickle(v, c);
}

static void
begin_silent(const struct victim *v, struct client *c)
{
	dial(v, c, 0);
	c->begun = clock_now();
}

static void
begin_fat(const struct victim *v, struct client *c)
{
	/* Two records, the first of them whole. */
	static uint8_t bytes[16 * 1024 - 256];
	const size_t first = sizeof(bytes) / 2, second = sizeof(bytes) - first;
	const size_t message = sizeof(bytes) - 2 * 5 - 4;

	memcpy(bytes, "\x16\3\1", 3);
	bytes[3] = (first - 5) >> 8;
	bytes[4] = (first - 5) & 0xff;
	bytes[5] = 1;
	bytes[7] = message >> 8;
	bytes[8] = message & 0xff;
	memcpy(bytes + first, "\x16\3\1", 3);
	bytes[first + 3] = (second - 5) >> 8;
	bytes[first + 4] = (second - 5) & 0xff;
	dial(v, c, 0);
	c->begun = clock_now();
	(void)send(c->fd, bytes, sizeof(bytes) - 1, MSG_NOSIGNAL);
}

static void
begin_half(const struct victim *v, struct client *c)
{
	dial(v, c, 0);
	c->begun = clock_now();
	(void)send(c->fd, v->hello, v->hello_len, MSG_NOSIGNAL);
}

static void
begin_deaf(const struct victim *v, struct client *c)
{
	/* As t/bench/load's upstream has it: send so many bytes. */
	struct {
		uint8_t order, size[8];
	} header = { .order = 's' };
	uint64_t size = DEAF_SENT;
	SSL *ssl = SSL_new(v->ctx);
	size_t n;

	memcpy(header.size, &size, sizeof(size));
	dial(v, c, DEAF_ROOM);
	if (ssl == NULL || SSL_set_fd(ssl, c->fd) != 1 ||
	    SSL_set_tlsext_host_name(ssl, v->name) != 1 ||
	    SSL_connect(ssl) != 1 ||
	    SSL_write_ex(ssl, &header, sizeof(header), &n) != 1)
		errx(1, "hostile client: no tunnel");
	SSL_free(ssl);
	c->begun = clock_now();
}

static const struct kind kinds[] = {
	{ "silent", begin_silent, false },
	{ "trickle", begin_trickle, true },
	{ "fat", begin_fat, false },
	{ "half", begin_half, false },
	{ "deaf", begin_deaf, false },
};

/* A ClientHello like any other. */
static void
make_hello(struct victim *v)
{
	SSL *ssl;
	BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
	int n;

	v->ctx = SSL_CTX_new(TLS_client_method());
	ssl = SSL_new(v->ctx);
	if (ssl == NULL || in == NULL || out == NULL ||
	    SSL_set_tlsext_host_name(ssl, v->name) != 1)
		errx(1, "no memory");
	SSL_set_bio(ssl, in, out);
	(void)SSL_connect(ssl);
	n = BIO_read(out, v->hello, sizeof(v->hello));
	if (n <= 0)
		errx(1, "no ClientHello");
	v->hello_len = (size_t)n;
	SSL_free(ssl);
}

static void
ended(struct crowd *w, struct client *c)
{
	int64_t time = clock_now() - c->begun;

	close(c->fd);
	c->fd = -1;
	w->gone++;
	if (w->first == 0 || time < w->first)
		w->first = time;
	if (time > w->last)
		w->last = time;
}

/* For a short time at most. */
static void
look(struct crowd *w)
{
	struct epoll_event events[EVENTS];
	int i, n = epoll_wait(w->epfd, events, EVENTS, 5);

	for (i = 0; i < n; i++)
		ended(w, events[i].data.ptr);
}

static void
come(struct crowd *w)
{
	struct epoll_event ev = { .events = EPOLLRDHUP };
	struct client *c = &w->clients[w->there++];

	w->kind->begin(&w->victim, c);
	ev.data.ptr = c;
	if (epoll_ctl(w->epfd, EPOLL_CTL_ADD, c->fd, &ev) == -1)
		err(1, "epoll_ctl");
}

static void
trickle_all(struct crowd *w)
{
	int64_t now = clock_now();

	for (struct client *c = w->clients; c < w->clients + w->there; c++)
		if (c->fd != -1 && c->next <= now)
			trickle(&w->victim, c);
}

static void
run(struct crowd *w, int64_t span)
{
	int64_t begun = clock_now(), now;

	while (w->gone < w->count) {
		now = clock_now() - begun;
		while (
		    w->there < w->count && span * w->there / w->count <= now) {
			come(w);
			if (w->there == w->count)
				puts("ready");
		}
		if (w->kind->trickles)
			trickle_all(w);
		look(w);
	}
	printf("%u %lld %lld\n", w->gone, (long long)(w->first / CLOCK_MSEC),
	    (long long)(w->last / CLOCK_MSEC));
}

int
main(int argc, char **argv)
{
	struct crowd w = { .epfd = epoll_create1(EPOLL_CLOEXEC) };
	size_t i;

	signal(SIGPIPE, SIG_IGN);
	setvbuf(stdout, NULL, _IOLBF, 0);
	alarm(TIME_MAX);
	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (argc == 6 && strcmp(argv[1], kinds[i].name) == 0)
			w.kind = &kinds[i];
	if (w.kind == NULL)
		errx(2, "silent | trickle | fat | half | deaf PORT NAME COUNT "
			"SECONDS");
	w.victim.port = (uint16_t)atoi(argv[2]);
	w.victim.name = argv[3];
	w.count = (unsigned)atoi(argv[4]);
	w.clients = calloc(w.count + 1, sizeof(*w.clients));
	if (w.clients == NULL)
		err(1, "calloc");
	make_hello(&w.victim);
	run(&w, atoi(argv[5]) * CLOCK_SEC);
	return (0);
}
