/*
 * Both ends of many tunnels in one process: for each a TLS client of sniport
 * and the upstream that this client asks for, on a port of its own. Each end
 * knows byte by byte what the other sends, so that the first byte that is
 * lost, repeated or changed is found. Stands alone, since it is the judge.
 *
 *     peer -p PORT [-n TUNNELS] [-c SIZE] [-u SIZE] [-r] [-s SEED] [-k]
 *         [-v 1.2 | 1.3] [-e client | upstream | together]
 *         [-w client | upstream] [-m FRAGMENT] [-l CIPHERS]
 *
 * -p   sniport's port on 127.0.0.1; the server names are peer.test:PORT
 * -c   bytes that the client sends, -u that the upstream sends
 * -r   sizes are random, at most these
 * -e   who ends first: the other sends nothing before it has seen that end;
 *      together: both end in one go, when all bytes have arrived
 * -w   who does not read before all is at a standstill; then a line of JSON
 *      is printed, {"sent":BYTES}, and a line from standard input awaited
 * -m   the client asks for fragments of at most so many bytes: 512 to 4096
 * -l   the client's ciphers of TLS 1.2
 * -k   the client updates its keys now and then, and has sniport do so
 *
 * Prints one line of JSON per tunnel. The exit status is 0 unless the peer
 * itself failed.
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
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
#include <unistd.h>

#define CHUNK_BITS  16 /* chunks are 1 to 64 KiB */
#define CHUNK	    (1 << CHUNK_BITS)
#define TURNS	    16 /* of one end before others have theirs */
#define KEYS_BYTES  (1 << 20)
#define HELD_BUFFER 16384
#define STANDSTILL  250 /* ms */
#define GIVE_UP	    30000

enum {
	CLIENT,
	UPSTREAM,
	TOGETHER,
	NOBODY
};

struct end {
	struct tunnel *tunnel;
	int who, fd;
	SSL *ssl;	 /* of the client */
	bool listening;	 /* fd is not connected yet */
	bool ready;	 /* bytes can be sent */
	bool ended;	 /* our stream */
	const char *saw; /* how the other's stream ended */
	const char *error;
	uint64_t random, key, size, sent, got;
	uint64_t keys_at; /* when to update keys */
	size_t chunk;	  /* what is left of it */
	uint32_t events;
};

struct tunnel {
	struct peer *peer;
	uint16_t port; /* of the client */
	struct end end[2];
};

struct peer {
	int epfd;
	uint16_t sniport;
	SSL_CTX *ctx;
	int first, held; /* -e, -w */
	bool keys;
	int open; /* ends that are not done */
	int ntunnels;
	struct tunnel *tunnels;
};

static uint64_t
mix(uint64_t x)
{
	x += UINT64_C(0x9e3779b97f4a7c15);
	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return (x ^ x >> 31);
}

static uint64_t
next_random(struct end *e)
{
	return (mix(e->random++));
}

/* As many small ones as large ones. */
static uint64_t
random_size(struct end *e, int bits)
{
	uint64_t mask = (UINT64_C(1) << next_random(e) % (bits + 1)) - 1;

	return ((next_random(e) & mask) + 1);
}

/* The bytes of e's stream from offset at. */
static void
content(const struct end *e, uint64_t at, uint8_t *buf, size_t len)
{
	uint64_t word;
	size_t n, skip;

	for (; len > 0; buf += n, at += n, len -= n) {
		word = mix(e->key + at / 8);
		skip = at % 8;
		n = len < 8 - skip ? len : 8 - skip;
		memcpy(buf, (uint8_t *)&word + skip, n);
	}
}

static struct end *
other(struct end *e)
{
	return (&e->tunnel->end[e->who == CLIENT ? UPSTREAM : CLIENT]);
}

static void
saw(struct end *e, const char *what)
{
	if (e->saw == NULL)
		e->saw = what;
}

/* The end of a connection as OpenSSL tells it; false: it goes on. */
static bool
tls_ended(struct end *e, int ret)
{
	int error = SSL_get_error(e->ssl, ret);
	unsigned long code = ERR_peek_error();

	if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE)
		return (false);
	if (error == SSL_ERROR_ZERO_RETURN)
		saw(e, "close_notify");
	else if (code == 0 || ERR_SYSTEM_ERROR(code)) /* the latter: 3.2 on */
		saw(e, "reset");
	else if (ERR_GET_REASON(code) == SSL_R_UNEXPECTED_EOF_WHILE_READING)
		saw(e, "fin");
	else
		saw(e, ERR_reason_error_string(code));
	if (error != SSL_ERROR_ZERO_RETURN)
		e->ended = true;
	return (true);
}

static bool
tcp_ended(struct end *e, ssize_t n)
{
	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return (false);
	saw(e, n == 0 ? "fin" : "reset");
	if (n == -1)
		e->ended = true;
	return (true);
}

/* True: something came. */
static bool
receive(struct end *e)
{
	uint8_t buf[CHUNK], want[CHUNK];
	size_t size = random_size(e, CHUNK_BITS), got = 0;
	ssize_t n;

	if (e->saw != NULL || e->tunnel->peer->held == e->who)
		return (false);
	ERR_clear_error();
	if (e->ssl != NULL)
		n = SSL_read_ex(e->ssl, buf, size, &got);
	else
		n = recv(e->fd, buf, size, 0);
	if (n <= 0)
		return (e->ssl != NULL ? tls_ended(e, 0) : tcp_ended(e, n));
	if (e->ssl == NULL)
		got = (size_t)n;
	content(other(e), e->got, want, got);
	if (memcmp(buf, want, got) != 0 && e->error == NULL)
		e->error = "bytes differ";
	e->got += got;
	if (e->got > other(e)->sent + other(e)->chunk && e->error == NULL)
		e->error = "more came than was sent";
	return (true);
}

static bool
pending(const struct end *e)
{
	return (e->ssl != NULL && SSL_pending(e->ssl) > 0);
}

static bool
all_arrived(struct tunnel *t)
{
	return (t->end[CLIENT].ready && t->end[UPSTREAM].ready &&
		t->end[CLIENT].got == t->end[UPSTREAM].size &&
		t->end[UPSTREAM].got == t->end[CLIENT].size);
}

static bool
may_send(struct end *e)
{
	int first = e->tunnel->peer->first;

	if (!e->ready || e->ended)
		return (false);
	if (first == TOGETHER)
		return (e->sent < e->size || all_arrived(e->tunnel));
	return (first == NOBODY || first == e->who || e->saw != NULL);
}

static void
finish(struct end *e)
{
	int ret;

	ERR_clear_error();
	if (e->ssl == NULL) {
		e->ended = true;
		(void)shutdown(e->fd, SHUT_WR);
		return;
	}
	ret = SSL_shutdown(e->ssl);
	if (ret >= 0 || tls_ended(e, ret))
		e->ended = true;
}

/* True: something was sent. */
static bool
send_some(struct end *e)
{
	uint8_t buf[CHUNK];
	size_t done = 0;
	ssize_t n;

	if (!may_send(e))
		return (false);
	if (e->sent == e->size) {
		finish(e);
		return (e->ended);
	}
	if (e->chunk == 0) {
		e->chunk = random_size(e, CHUNK_BITS);
		if (e->chunk > e->size - e->sent)
			e->chunk = e->size - e->sent;
	}
	if (e->tunnel->peer->keys && e->ssl != NULL && e->sent >= e->keys_at) {
		e->keys_at = e->sent + KEYS_BYTES;
		(void)SSL_key_update(e->ssl, SSL_KEY_UPDATE_REQUESTED);
	}
	content(e, e->sent, buf, e->chunk);
	ERR_clear_error();
	if (e->ssl != NULL)
		n = SSL_write_ex(e->ssl, buf, e->chunk, &done);
	else
		n = send(e->fd, buf, e->chunk, MSG_NOSIGNAL);
	if (n <= 0)
		return (e->ssl != NULL ? tls_ended(e, 0) : tcp_ended(e, n));
	if (e->ssl == NULL)
		done = (size_t)n;
	e->sent += done;
	e->chunk -= done;
	return (true);
}

/* Registers the end for what it waits for; one that is done is closed. */
static void
watch(struct end *e)
{
	struct peer *p = e->tunnel->peer;
	struct epoll_event ev = { .data.ptr = e };
	int op = EPOLL_CTL_MOD;

	if (e->fd == -1)
		return;
	if (e->listening && other(e)->fd == -1 && other(e)->saw != NULL) {
		saw(e, "nothing");
		e->ended = true;
	}
	if (e->listening || (!e->ready && !SSL_want_write(e->ssl)) ||
	    (e->ready && e->saw == NULL && p->held != e->who))
		ev.events |= EPOLLIN;
	if (may_send(e) ||
	    (!e->ready && !e->listening && SSL_want_write(e->ssl)))
		ev.events |= EPOLLOUT;
	if (ev.events != e->events) {
		if (e->events == 0)
			op = EPOLL_CTL_ADD;
		else if (ev.events == 0)
			op = EPOLL_CTL_DEL;
		if (epoll_ctl(p->epfd, op, e->fd, &ev) == -1)
			err(1, "epoll_ctl");
		e->events = ev.events;
	}
	if (e->ended && e->saw != NULL) {
		close(e->fd);
		e->fd = -1;
		p->open--;
	}
}

static void
accept_upstream(struct end *e)
{
	int fd = accept4(e->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd == -1)
		err(1, "accept");
	close(e->fd); /* which takes it out of the epoll set */
	e->fd = fd;
	e->events = 0;
	e->listening = false;
	e->ready = true;
}

static void
run(struct end *e)
{
	int ret, i;
	bool moved = true;

	if (e->listening) {
		accept_upstream(e);
	} else if (!e->ready) {
		ERR_clear_error();
		ret = SSL_connect(e->ssl);
		e->ready = ret == 1;
		if (!e->ready && tls_ended(e, ret))
			saw(e, "no handshake");
	}
	/* What OpenSSL holds already gives no event. */
	for (i = 0; e->ready && moved && (i < TURNS || pending(e)); i++) {
		moved = receive(e);
		moved = send_some(e) || moved;
	}
	/* What one end does can be what the other waits for. */
	if (e->tunnel->peer->first == TOGETHER && all_arrived(e->tunnel)) {
		send_some(e);
		send_some(other(e));
	}
	watch(e);
	watch(other(e));
}

static int
new_socket(struct end *e)
{
	static const int one = 1, small = HELD_BUFFER;
	int fd = socket(
	    AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);

	if (fd == -1)
		err(1, "socket");
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (e->tunnel->peer->held == e->who)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	return (fd);
}

static void
open_upstream(struct end *e, struct sockaddr_in *sin)
{
	socklen_t len = sizeof(*sin);

	e->fd = new_socket(e);
	e->listening = true;
	sin->sin_port = 0;
	if (bind(e->fd, (struct sockaddr *)sin, len) == -1 ||
	    listen(e->fd, 1) == -1 ||
	    getsockname(e->fd, (struct sockaddr *)sin, &len) == -1)
		err(1, "listen");
}

static void
open_client(struct end *e, struct sockaddr_in *sin)
{
	struct peer *p = e->tunnel->peer;
	socklen_t len = sizeof(*sin);
	char name[32];

	snprintf(name, sizeof(name), "peer.test:%u", ntohs(sin->sin_port));
	e->fd = new_socket(e);
	sin->sin_port = htons(p->sniport);
	if (connect(e->fd, (struct sockaddr *)sin, len) == -1 &&
	    errno != EINPROGRESS)
		err(1, "connect");
	if (getsockname(e->fd, (struct sockaddr *)sin, &len) == -1)
		err(1, "getsockname");
	e->tunnel->port = ntohs(sin->sin_port);
	e->ssl = SSL_new(p->ctx);
	if (e->ssl == NULL || SSL_set_fd(e->ssl, e->fd) != 1 ||
	    SSL_set_tlsext_host_name(e->ssl, name) != 1)
		errx(1, "SSL_new");
}

static void
open_tunnel(
    struct peer *p, int i, uint64_t seed, const uint64_t sizes[2], bool random)
{
	struct sockaddr_in sin = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct tunnel *t = &p->tunnels[i];
	struct end *e;
	int who;

	t->peer = p;
	for (who = CLIENT; who <= UPSTREAM; who++) {
		e = &t->end[who];
		*e =
		    (struct end){ .tunnel = t, .who = who, .size = sizes[who] };
		e->random = mix(mix(seed + (uint64_t)i) + (uint64_t)who);
		e->key = next_random(e);
		/* Nothing, little or much. */
		if (random && next_random(e) % 16 == 0)
			e->size = 0;
		else if (random)
			e->size = next_random(e) %
				  (1 + (sizes[who] >> next_random(e) % 16));
		p->open++;
	}
	open_upstream(&t->end[UPSTREAM], &sin);
	open_client(&t->end[CLIENT], &sin);
	watch(&t->end[UPSTREAM]);
	run(&t->end[CLIENT]);
}

static void
report(struct end *e)
{
	static const char *const who[] = { "client", "upstream" };

	printf("\"%s_sent\":%llu,\"%s_got\":%llu,\"%s_saw\":\"%s\",",
	    who[e->who], (unsigned long long)e->sent, who[e->who],
	    (unsigned long long)e->got, who[e->who],
	    e->saw != NULL ? e->saw : "time");
	if (e->error != NULL)
		printf("\"%s_error\":\"%s\",", who[e->who], e->error);
}

/* Says how much was sent, and lets the held ends read when told to. */
static void
release(struct peer *p)
{
	uint64_t sent = 0;
	int i, held = p->held;

	for (i = 0; i < p->ntunnels; i++)
		sent += p->tunnels[i].end[CLIENT].sent +
			p->tunnels[i].end[UPSTREAM].sent;
	printf("{\"sent\":%llu}\n", (unsigned long long)sent);
	fflush(stdout);
	while (getchar() != '\n' && !feof(stdin))
		;
	p->held = NOBODY;
	for (i = 0; i < p->ntunnels; i++)
		watch(&p->tunnels[i].end[held]);
}

/* Has every tunnel come about? */
static bool
under_way(const struct peer *p)
{
	const struct tunnel *t;

	for (t = p->tunnels; t < p->tunnels + p->ntunnels; t++)
		if (t->end[CLIENT].sent == 0 && t->end[UPSTREAM].sent == 0)
			return (false);
	return (true);
}

static void
run_all(struct peer *p)
{
	struct epoll_event events[64];
	struct end *e;
	int i, n, waited = 0;

	while (p->open > 0) {
		n = epoll_wait(p->epfd, events, 64,
		    p->held != NOBODY ? STANDSTILL : GIVE_UP);
		if (n == -1 && errno != EINTR)
			err(1, "epoll_wait");
		if (n == 0 && p->held == NOBODY)
			return;
		waited = n == 0 ? waited + STANDSTILL : 0;
		if (n == 0 && (under_way(p) || waited >= GIVE_UP))
			release(p);
		for (i = 0; i < n; i++) {
			e = events[i].data.ptr;
			/* Its events may be of before another one's turn. */
			if (e->fd != -1 && e->events != 0)
				run(e);
		}
	}
}

static int
parse_who(const char *s)
{
	static const char *const names[] = { "client", "upstream", "together" };
	int i;

	for (i = 0; i < NOBODY; i++)
		if (strcmp(s, names[i]) == 0)
			return (i);
	errx(2, "%s: nobody's name", s);
}

/* The numbers of the command line. */
struct options {
	uint64_t seed, sizes[2];
	bool random;
	int version; /* 0: any */
	int fragment;
	const char *ciphers;
};

static void
parse_options(int argc, char *argv[], struct peer *p, struct options *o)
{
	int opt;

	while ((opt = getopt(argc, argv, "p:n:c:u:rs:kv:e:w:m:l:")) != -1)
		switch (opt) {
		case 'p':
			p->sniport = (uint16_t)atoi(optarg);
			break;
		case 'n':
			p->ntunnels = atoi(optarg);
			break;
		case 'c':
			o->sizes[CLIENT] = strtoull(optarg, NULL, 10);
			break;
		case 'u':
			o->sizes[UPSTREAM] = strtoull(optarg, NULL, 10);
			break;
		case 'r':
			o->random = true;
			break;
		case 's':
			o->seed = strtoull(optarg, NULL, 10);
			break;
		case 'k':
			p->keys = true;
			break;
		case 'v':
			o->version = strcmp(optarg, "1.2") == 0
					 ? TLS1_2_VERSION
					 : TLS1_3_VERSION;
			break;
		case 'e':
			p->first = parse_who(optarg);
			break;
		case 'w':
			p->held = parse_who(optarg);
			break;
		case 'm':
			o->fragment = atoi(optarg);
			break;
		case 'l':
			o->ciphers = optarg;
			break;
		default:
			exit(2);
		}
}

static void
report_all(const struct peer *p)
{
	int i;

	for (i = 0; i < p->ntunnels; i++) {
		putchar('{');
		report(&p->tunnels[i].end[CLIENT]);
		report(&p->tunnels[i].end[UPSTREAM]);
		printf("\"client\":\"127.0.0.1:%u\"}\n", p->tunnels[i].port);
	}
}

int
main(int argc, char *argv[])
{
	struct peer p = { .first = NOBODY, .held = NOBODY, .ntunnels = 1 };
	struct options o = { .seed = 1 };
	int i;

	parse_options(argc, argv, &p, &o);
	signal(SIGPIPE, SIG_IGN);
	p.epfd = epoll_create1(EPOLL_CLOEXEC);
	p.ctx = SSL_CTX_new(TLS_client_method());
	p.tunnels = calloc((size_t)p.ntunnels, sizeof(*p.tunnels));
	if (p.epfd == -1 || p.ctx == NULL || p.tunnels == NULL)
		errx(1, "cannot start");
	SSL_CTX_set_min_proto_version(p.ctx, o.version);
	SSL_CTX_set_max_proto_version(p.ctx, o.version);
	if (o.ciphers != NULL && SSL_CTX_set_cipher_list(p.ctx, o.ciphers) != 1)
		errx(1, "ciphers: %s", o.ciphers);
	/* 1 is 512 bytes, and each further one twice as many. */
	for (i = 1; i <= 4 && o.fragment != 0; i++)
		if (o.fragment == 256 << i)
			SSL_CTX_set_tlsext_max_fragment_length(
			    p.ctx, (uint8_t)i);
	SSL_CTX_set_mode(p.ctx, SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	for (i = 0; i < p.ntunnels; i++)
		open_tunnel(&p, i, o.seed, o.sizes, o.random);
	run_all(&p);
	report_all(&p);
	for (i = 0; i < p.ntunnels; i++)
		SSL_free(p.tunnels[i].end[CLIENT].ssl);
	free(p.tunnels);
	SSL_CTX_free(p.ctx);
	return (0);
}
