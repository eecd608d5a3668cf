/*
 * Both ends of a proxy under load: TLS clients, and their plain TCP upstream.
 *
 *	load upstream
 *		prints its port; serves until its standard input ends
 *	load WORK PORT NAME COUNT THREADS
 *		prepares, prints "ready", waits for a line, works, prints
 *		"done" and the nanoseconds it took, waits for the end of its
 *		standard input, and leaves
 *
 * So who started it can look at the proxy before and after the work alone.
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <pthread.h>
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

#define TIME_MAX    120 /* seconds, whatever happens */
#define THREADS_MAX 64
#define MESSAGE	    100
#define RECORD	    (16 * 1024)
#define CHUNK	    (256 * 1024)
#define EVENTS	    64

/* What a client sends first, and the upstream obeys. */
enum order {
	ORDER_ECHO = 'e',   /* send back what comes */
	ORDER_SOURCE = 's', /* send so many bytes, then end */
	ORDER_SINK = 'k'    /* take so many bytes, then send one */
};

struct header {
	uint8_t order;
	uint8_t size[8]; /* host's order: both ends are here */
};

static struct sockaddr_in
loopback(uint16_t port)
{
	struct sockaddr_in sin = { .sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

	return (sin);
}

static void
set_nodelay(int fd)
{
	static const int on = 1;

	if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) == -1)
		err(1, "TCP_NODELAY");
}

/* The upstream */

struct upstream {
	int epfd, listen;
	uint8_t *chunk; /* CHUNK bytes */
};

struct conn {
	int fd;
	struct header header;
	size_t header_len;
	uint64_t left;
};

static void
watch(struct upstream *u, int op, struct conn *c, int fd, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.ptr = c };

	if (epoll_ctl(u->epfd, op, fd, &ev) == -1)
		err(1, "epoll_ctl");
}

static void
conn_accept(struct upstream *u)
{
	struct conn *c = calloc(1, sizeof(*c));

	if (c == NULL)
		err(1, "calloc");
	c->fd = accept4(u->listen, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (c->fd == -1) {
		if (errno != EAGAIN && errno != ECONNABORTED)
			err(1, "accept");
		free(c);
		return;
	}
	set_nodelay(c->fd);
	watch(u, EPOLL_CTL_ADD, c, c->fd, EPOLLIN);
}

static void
conn_close(struct conn *c)
{
	close(c->fd);
	free(c);
}

/* A client that closes early, as at the end of a work, is no error. */
static void
conn_write(struct conn *c, const void *p, size_t len)
{
	ssize_t n = write(c->fd, p, len);

	if (n == -1 && errno != EPIPE && errno != ECONNRESET)
		err(1, "upstream: write");
	if (n >= 0 && (size_t)n != len)
		errx(1, "upstream: %zd of %zu bytes written", n, len);
}

static void
conn_source(struct upstream *u, struct conn *c)
{
	ssize_t n = 0;

	while (c->left > 0 && n >= 0) {
		n = write(c->fd, u->chunk, c->left < CHUNK ? c->left : CHUNK);
		if (n > 0)
			c->left -= (uint64_t)n;
	}
	if (n == -1 && errno == EAGAIN)
		return;
	(void)shutdown(c->fd, SHUT_WR);
	watch(u, EPOLL_CTL_MOD, c, c->fd, EPOLLIN);
}

/* Takes what belongs to the header; returns how much. */
static size_t
conn_header(struct upstream *u, struct conn *c, const uint8_t *p, size_t len)
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
		watch(u, EPOLL_CTL_MOD, c, c->fd, EPOLLOUT);
	return (n);
}

static void
conn_read(struct upstream *u, struct conn *c)
{
	ssize_t n = read(c->fd, u->chunk, CHUNK);
	size_t used;

	if (n == -1 && errno == EAGAIN)
		return;
	if (n <= 0) {
		conn_close(c);
		return;
	}
	used = conn_header(u, c, u->chunk, (size_t)n);
	n -= (ssize_t)used;
	if (n == 0)
		return;
	if (c->header.order == ORDER_ECHO) {
		conn_write(c, u->chunk + used, (size_t)n);
	} else if (c->header.order == ORDER_SINK) {
		c->left -= (uint64_t)n;
		if (c->left == 0)
			conn_write(c, "!", 1);
	} else {
		errx(1, "upstream: no such order");
	}
}

static void
upstream_open(struct upstream *u)
{
	struct sockaddr_in sin = loopback(0);
	socklen_t len = sizeof(sin);

	u->chunk = calloc(1, CHUNK);
	u->epfd = epoll_create1(EPOLL_CLOEXEC);
	u->listen =
	    socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (u->chunk == NULL || u->epfd == -1 || u->listen == -1 ||
	    bind(u->listen, (struct sockaddr *)&sin, len) == -1 ||
	    listen(u->listen, 4096) == -1 ||
	    getsockname(u->listen, (struct sockaddr *)&sin, &len) == -1)
		err(1, "upstream");
	watch(u, EPOLL_CTL_ADD, NULL, u->listen, EPOLLIN);
	watch(u, EPOLL_CTL_ADD, (struct conn *)u, STDIN_FILENO, EPOLLIN);
	printf("%u\n", ntohs(sin.sin_port));
}

static int
upstream_run(void)
{
	struct epoll_event events[EVENTS];
	struct upstream u;
	int i, n;

	upstream_open(&u);
	for (;;) {
		n = epoll_wait(u.epfd, events, EVENTS, -1);
		for (i = 0; i < n; i++) {
			if (events[i].data.ptr == NULL)
				conn_accept(&u);
			else if (events[i].data.ptr == &u)
				return (0);
			else if ((events[i].events & EPOLLOUT) != 0)
				conn_source(&u, events[i].data.ptr);
			else
				conn_read(&u, events[i].data.ptr);
		}
	}
}

/* The clients */

struct job {
	const struct work *work;
	SSL_CTX *ctx;
	uint16_t port;
	const char *name;
	pthread_barrier_t barrier; /* before and after the work */
};

struct client {
	struct job *job;
	uint64_t count; /* of this thread */
	SSL *ssl;
	SSL_SESSION *session; /* the newest */
	uint64_t number;      /* of the last message */
};

struct work {
	const char *name;
	void (*prepare)(struct client *);
	void (*run)(struct client *);
};

static _Noreturn void
tls_fail(const char *what)
{
	ERR_print_errors_fp(stderr);
	errx(1, "client: %s", what);
}

static int
new_session_cb(SSL *ssl, SSL_SESSION *session)
{
	struct client *c = SSL_get_app_data(ssl);

	SSL_SESSION_free(c->session);
	c->session = session;
	return (1);
}

static void
client_connect(struct client *c, SSL_SESSION *session)
{
	struct sockaddr_in sin = loopback(c->job->port);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd == -1 || connect(fd, (struct sockaddr *)&sin, sizeof(sin)) == -1)
		err(1, "client: connect");
	set_nodelay(fd);
	c->ssl = SSL_new(c->job->ctx);
	if (c->ssl == NULL || SSL_set_fd(c->ssl, fd) != 1 ||
	    SSL_set_app_data(c->ssl, c) != 1 ||
	    SSL_set_tlsext_host_name(c->ssl, c->job->name) != 1)
		tls_fail("SSL_new");
	if (session != NULL && SSL_set_session(c->ssl, session) != 1)
		tls_fail("SSL_set_session");
	if (SSL_connect(c->ssl) != 1)
		tls_fail("handshake");
	if ((session != NULL) != SSL_session_reused(c->ssl))
		tls_fail("a session was (not) resumed");
}

static void
client_write(struct client *c, const void *p, size_t len)
{
	size_t n;

	if (SSL_write_ex(c->ssl, p, len, &n) != 1 || n != len)
		tls_fail("write");
}

static void
client_read(struct client *c, uint8_t *p, size_t len)
{
	size_t n;

	for (; len > 0; p += n, len -= n)
		if (SSL_read_ex(c->ssl, p, len, &n) != 1)
			tls_fail("read");
}

/* Ends the stream and waits until the other side has ended its own. */
static void
client_close(struct client *c)
{
	int fd = SSL_get_fd(c->ssl);
	uint8_t byte;
	size_t n;

	if (SSL_shutdown(c->ssl) < 0)
		tls_fail("close_notify");
	if (SSL_read_ex(c->ssl, &byte, 1, &n) == 1)
		errx(1, "client: more bytes than there should be");
	if (SSL_get_error(c->ssl, 0) != SSL_ERROR_ZERO_RETURN)
		tls_fail("end");
	/* OpenSSL 3.0 forgets at an end without close_notify that it has sent
	 * its own, and makes the session not resumable. */
	SSL_set_shutdown(c->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
	SSL_free(c->ssl);
	close(fd);
}

static void
order(struct client *c, enum order what, uint64_t size)
{
	struct header h = { .order = (uint8_t)what };

	memcpy(h.size, &size, sizeof(size));
	client_write(c, &h, sizeof(h));
}

/* One message there and back. A header goes in the same record. */
static void
exchange(struct client *c, bool first)
{
	struct {
		struct header header;
		uint8_t message[MESSAGE];
	} out = { .header.order = ORDER_ECHO };
	uint8_t in[MESSAGE];

	c->number++;
	memset(out.message, (int)(c->number % 251), MESSAGE);
	memcpy(out.message, &c->number, sizeof(c->number));
	if (first)
		client_write(c, &out, sizeof(out));
	else
		client_write(c, out.message, MESSAGE);
	client_read(c, in, MESSAGE);
	if (memcmp(in, out.message, MESSAGE) != 0)
		errx(1, "client: other bytes came back");
}

static void
connect_once(struct client *c)
{
	client_connect(c, NULL);
	exchange(c, true);
	client_close(c);
}

static void
run_full(struct client *c)
{
	for (; c->count > 0; c->count--)
		connect_once(c);
}

static void
run_resumed(struct client *c)
{
	for (; c->count > 0; c->count--) {
		client_connect(c, c->session);
		exchange(c, true);
		client_close(c);
	}
}

static void
prepare_connect(struct client *c)
{
	client_connect(c, NULL);
}

static void
run_download(struct client *c)
{
	uint8_t record[RECORD];
	size_t n;

	order(c, ORDER_SOURCE, c->count);
	while (c->count > 0) {
		if (SSL_read_ex(c->ssl, record, RECORD, &n) != 1)
			tls_fail("download");
		c->count -= n;
	}
}

static void
run_upload(struct client *c)
{
	static const uint8_t record[RECORD];
	size_t n;
	uint8_t byte;

	order(c, ORDER_SINK, c->count);
	for (; c->count > 0; c->count -= n) {
		n = c->count < RECORD ? (size_t)c->count : RECORD;
		client_write(c, record, n);
	}
	client_read(c, &byte, 1);
}

static void
prepare_ping(struct client *c)
{
	client_connect(c, NULL);
	exchange(c, true);
}

static void
run_ping(struct client *c)
{
	for (; c->count > 0; c->count--)
		exchange(c, false);
}

/* They stay until the process ends. */
static void
prepare_idle(struct client *c)
{
	for (; c->count > 0; c->count--)
		prepare_ping(c);
}

static void
run_idle(struct client *c)
{
}

static const struct work works[] = {
	{ "full", connect_once, run_full },
	{ "resumed", connect_once, run_resumed },
	{ "download", prepare_connect, run_download },
	{ "upload", prepare_connect, run_upload },
	{ "ping", prepare_ping, run_ping },
	{ "idle", prepare_idle, run_idle },
};

static void *
client_main(void *arg)
{
	struct client *c = arg;

	c->job->work->prepare(c);
	pthread_barrier_wait(&c->job->barrier);
	pthread_barrier_wait(&c->job->barrier);
	c->job->work->run(c);
	pthread_barrier_wait(&c->job->barrier);
	return (NULL);
}

/* One version, one suite and one group, whatever the proxy would choose. */
static SSL_CTX *
context(void)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

	if (ctx == NULL ||
	    SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) != 1 ||
	    SSL_CTX_set_ciphersuites(ctx, "TLS_AES_128_GCM_SHA256") != 1 ||
	    SSL_CTX_set1_groups_list(ctx, "X25519") != 1)
		tls_fail("SSL_CTX_new");
	SSL_CTX_set_session_cache_mode(
	    ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(ctx, new_session_cb);
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
	/* Not everybody ends with close_notify. */
	SSL_CTX_set_options(ctx, SSL_OP_IGNORE_UNEXPECTED_EOF);
	SSL_CTX_set_read_ahead(ctx, 1);
	SSL_CTX_set_default_read_buffer_len(ctx, 4 * RECORD);
	return (ctx);
}

static void
threads_start(struct job *job, uint64_t count, unsigned threads)
{
	pthread_t thread;
	struct client *c;
	unsigned i;

	if (pthread_barrier_init(&job->barrier, NULL, threads + 1) != 0)
		errx(1, "client: no barrier");
	for (i = 0; i < threads; i++) {
		c = calloc(1, sizeof(*c));
		if (c == NULL)
			err(1, "calloc");
		c->job = job;
		c->count = count / threads + (i < count % threads);
		if (pthread_create(&thread, NULL, client_main, c) != 0)
			errx(1, "client: no thread");
	}
}

static int
clients_run(struct job *job, uint64_t count, unsigned threads)
{
	int64_t start;
	char line[16];

	job->ctx = context();
	threads_start(job, count, threads);
	pthread_barrier_wait(&job->barrier);
	puts("ready");
	if (fgets(line, sizeof(line), stdin) == NULL)
		return (0);
	start = clock_now();
	pthread_barrier_wait(&job->barrier);
	pthread_barrier_wait(&job->barrier);
	printf("done %lld\n", (long long)(clock_now() - start));
	/* A line or the end of the input: either says stop. */
	while (getchar() != '\n' && !feof(stdin))
		;
	return (0);
}

static uint64_t
number(const char *text, uint64_t max)
{
	char *end;
	uint64_t n = strtoull(text, &end, 10);

	if (*end != '\0' || n == 0 || n > max)
		errx(2, "not a number from 1 to %llu: %s",
		    (unsigned long long)max, text);
	return (n);
}

int
main(int argc, char **argv)
{
	struct job *job;
	size_t i;

	signal(SIGPIPE, SIG_IGN);
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc == 2 && strcmp(argv[1], "upstream") == 0)
		return (upstream_run());
	alarm(TIME_MAX);
	/* Its threads may outlive this function. */
	job = calloc(1, sizeof(*job));
	if (job == NULL)
		err(1, "calloc");
	for (i = 0; i < sizeof(works) / sizeof(works[0]); i++)
		if (argc == 6 && strcmp(argv[1], works[i].name) == 0)
			job->work = &works[i];
	if (job->work == NULL)
		errx(2, "upstream | WORK PORT NAME COUNT THREADS");
	job->port = (uint16_t)number(argv[2], UINT16_MAX);
	job->name = argv[3];
	return (clients_run(job, number(argv[4], UINT64_C(1) << 40),
	    (unsigned)number(argv[5], THREADS_MAX)));
}
