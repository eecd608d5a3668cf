/*
 * Ends connections in every way there is, through sniport and directly, and
 * says what the other side saw. A case is a kind of end, a way (direct, TLS 1.2
 * or 1.3), the sides whose bytes are still on their way, and what the other
 * side does: it reads, reads slowly, or does not read until later. Each case
 * is a process of its own, in which both ends are moved in turn. Stands alone,
 * since it is the judge.
 *
 *     ends -p PORT [-j JOBS] [-t SECONDS] [-w]
 *
 * -p   sniport's port on 127.0.0.1; the server names are peer.test:PORT
 * -j   so many cases at once
 * -t   after so many seconds an end that has not come will not come
 * -w   nobody ends: a line "ready" is printed when all connections are there
 *      and loaded, then the end of standard input is awaited, and what sniport
 *      did meanwhile is seen by both sides. Not directly.
 *
 * Who vanishes has the mark 99 on its packets, for a rule that drops them.
 * Prints one line of JSON per case. The exit status is 0 unless it failed.
 */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <time.h>

#include "t/peer/end.h"

#define LOAD	   200000 /* more than all buffers between the two hold */
#define SMALL	   4096	  /* their receive buffers */
#define SLOW	   4096	  /* bytes in a turn of one that reads slowly */
#define TURN	   4	  /* ms */
#define STANDSTILL 1000	  /* ms; sniport may get no time for a while */
#define HOLD	   300	  /* ms that one does not read after the end */
#define NOTHING	   1000	  /* ms after which a vanished one is not awaited */

enum {
	CLIENT,
	UPSTREAM
};

enum rate {
	READS,
	READS_SLOWLY,
	READS_LATER
};

struct kind {
	const char *name;
	int actor;
	void (*act)(struct end *actor, struct end *other);
	bool tls;    /* not directly */
	bool stays;  /* the actor reads on to the other's end */
	bool unread; /* it has bytes that it does not read */
	bool more;   /* the other sends more after that end */
	void (*then)(struct end *other, struct end *actor); /* or does this */
};

struct play {
	const struct kind *kind;
	int version; /* 0: direct */
	int load;    /* bits, of CLIENT and UPSTREAM */
	enum rate rate;
	bool arrived; /* all that the actor had sent, before it ended */
	struct end end[2];
	uint16_t port;	   /* of the client */
	uint16_t upstream; /* of the upstream */
};

struct options {
	uint16_t port;
	int jobs;
	int64_t limit; /* ms */
	bool wait;
};

static void
both_finish(struct end *actor, struct end *other)
{
	end_finish(actor, true);
	end_finish(other, true);
}

static void
finish(struct end *actor, struct end *other)
{
	end_finish(actor, true);
}

static void
close_notify(struct end *actor, struct end *other)
{
	end_finish(actor, false);
}

static void
fin(struct end *actor, struct end *other)
{
	actor->finished = actor->ending = true;
}

static void
reset(struct end *actor, struct end *other)
{
	end_reset(actor);
}

static void
close_unread(struct end *actor, struct end *other)
{
	end_close(actor);
}

static void
vanish(struct end *actor, struct end *other)
{
	end_vanish(actor);
}

static void
alert(struct end *actor, struct end *other)
{
	end_alert(actor);
}

static void
tamper(struct end *actor, struct end *other)
{
	end_tamper(actor);
}

#define KIND(who, what, how, ...)                                   \
	{                                                           \
		.name = what, .actor = who, .act = how, __VA_ARGS__ \
	}

static const struct kind kinds[] = {
	KIND(CLIENT, "client close_notify and FIN", finish, .stays = true),
	KIND(CLIENT, "client close_notify alone", close_notify, .stays = true),
	KIND(CLIENT, "client FIN without close_notify", fin, .stays = true),
	KIND(CLIENT, "client RST", reset, .stays = false),
	KIND(CLIENT, "client vanishes", vanish, .stays = false),
	KIND(CLIENT, "client closes with unread data", close_unread,
	    .unread = true),
	KIND(UPSTREAM, "upstream FIN", finish, .stays = true),
	KIND(UPSTREAM, "upstream RST", reset, .stays = false),
	KIND(UPSTREAM, "upstream vanishes", vanish, .stays = false),
	KIND(UPSTREAM, "upstream closes with unread data", close_unread,
	    .unread = true),
	KIND(UPSTREAM, "upstream FIN, the client writes on", finish,
	    .stays = true, .more = true),
	KIND(CLIENT, "client half-closes, the upstream writes on", finish,
	    .stays = true, .more = true),
	KIND(UPSTREAM, "upstream FIN, then client RST", finish, .stays = true,
	    .then = reset),
	KIND(CLIENT, "client half-closes, then upstream RST", finish,
	    .stays = true, .then = reset),
	KIND(UPSTREAM, "upstream FIN, then the client vanishes", finish,
	    .stays = true, .then = vanish),
	KIND(CLIENT, "client half-closes, then the upstream vanishes", finish,
	    .stays = true, .then = vanish),
	KIND(CLIENT, "both half-close", both_finish, .stays = true),
	KIND(CLIENT, "fatal alert from the client", alert, .tls = true,
	    .stays = true),
	KIND(CLIENT, "a broken record", tamper, .tls = true, .stays = true),
};
#define NKINDS (sizeof(kinds) / sizeof(kinds[0]))

static int64_t
now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (ts.tv_sec * 1000 + ts.tv_nsec / 1000000);
}

static struct end *
actor_of(struct play *p)
{
	return (&p->end[p->kind->actor]);
}

static struct end *
other_of(struct play *p)
{
	return (&p->end[p->kind->actor == CLIENT ? UPSTREAM : CLIENT]);
}

/* The seed of the other end is what it sends. */
static int
seed_of(const struct end *e)
{
	return (e->seed == CLIENT ? UPSTREAM : CLIENT);
}

/* Moves one end as far as it goes now. True: something moved. */
static bool
move(struct end *e, bool reads, enum rate rate)
{
	bool moved = end_flush(e);
	int i, turns = rate == READS_SLOWLY ? 1 : 16;

	for (i = 0; reads && rate != READS_LATER && i < turns; i++) {
		if (!end_receive(e, seed_of(e), turns == 1 ? SLOW : END_CHUNK))
			break;
		moved = true;
	}
	return (end_flush(e) || moved);
}

static int
new_socket(void)
{
	static const int one = 1, small = SMALL;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TCP);

	if (fd == -1)
		err(1, "socket");
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	return (fd);
}

static void
start_tls(struct end *e, int version, uint16_t upstream)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
	char name[32];

	snprintf(name, sizeof(name), "peer.test:%u", ntohs(upstream));
	if (ctx == NULL || in == NULL || out == NULL)
		errx(1, "no memory");
	SSL_CTX_set_min_proto_version(ctx, version);
	SSL_CTX_set_max_proto_version(ctx, version);
	BIO_set_mem_eof_return(in, -1);
	e->ssl = SSL_new(ctx);
	SSL_CTX_free(ctx);
	if (e->ssl == NULL || SSL_set_tlsext_host_name(e->ssl, name) != 1)
		errx(1, "SSL_new");
	SSL_set_bio(e->ssl, in, out);
	SSL_set_connect_state(e->ssl);
	(void)SSL_do_handshake(e->ssl);
	end_drain(e);
}

static void
wait_turn(void)
{
	poll(NULL, 0, TURN);
}

/* Reads until so many bytes have come to that end. */
static void
await(struct play *p, int who, size_t got, int64_t limit)
{
	struct end *e = &p->end[who];
	int64_t until = now_ms() + limit;

	while (e->got < got) {
		if (e->saw != NULL || now_ms() > until)
			errx(1, "%s: there is no connection: %s", p->kind->name,
			    e->saw != NULL ? e->saw : "time");
		if (!move(e, true, READS))
			wait_turn();
	}
}

/* Both ends are there, and a byte went each way. */
static void
set_up(struct play *p, const struct options *o)
{
	struct sockaddr_in sin = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct end *client = &p->end[CLIENT], *upstream = &p->end[UPSTREAM];
	socklen_t len = sizeof(sin);
	struct pollfd pfd = { .events = POLLIN };
	uint16_t port;

	client->seed = CLIENT;
	upstream->seed = UPSTREAM;
	pfd.fd = new_socket();
	if (bind(pfd.fd, (struct sockaddr *)&sin, len) == -1 ||
	    listen(pfd.fd, 1) == -1 ||
	    getsockname(pfd.fd, (struct sockaddr *)&sin, &len) == -1)
		err(1, "listen");
	port = sin.sin_port;
	p->upstream = ntohs(port);
	client->fd = new_socket();
	if (p->version != 0)
		sin.sin_port = htons(o->port);
	if (connect(client->fd, (struct sockaddr *)&sin, len) == -1 ||
	    getsockname(client->fd, (struct sockaddr *)&sin, &len) == -1)
		err(1, "connect");
	p->port = ntohs(sin.sin_port);
	if (p->version != 0)
		start_tls(client, p->version, port);
	while (client->ssl != NULL && !SSL_is_init_finished(client->ssl))
		if (client->saw != NULL)
			errx(1, "handshake: %s", client->saw);
		else if (!move(client, true, READS))
			wait_turn();
	end_put(client, 1);
	end_flush(client);
	if (poll(&pfd, 1, (int)o->limit) != 1)
		errx(1, "%s: nobody came to the upstream", p->kind->name);
	upstream->fd = accept(pfd.fd, NULL, NULL);
	close(pfd.fd);
	await(p, UPSTREAM, 1, o->limit);
	end_put(upstream, 1);
	end_flush(upstream);
	await(p, CLIENT, 1, o->limit);
}

/* Bytes are sent as far as they go while the actor does not read. */
static void
load(struct play *p, enum rate rate)
{
	struct end *actor = actor_of(p), *other = other_of(p);
	int64_t still = now_ms();
	size_t before = 0, left;

	for (int who = CLIENT; who <= UPSTREAM; who++)
		if ((p->load & 1 << who) != 0)
			end_put(&p->end[who], LOAD);
	if (p->kind->unread && other->put == 1)
		end_put(other, 1);
	while (now_ms() - still < STANDSTILL ||
	       (p->kind->unread && end_unread(actor) == 0 &&
		   now_ms() - still < 10 * STANDSTILL)) {
		if (move(actor, false, READS_LATER))
			still = now_ms();
		if (move(other, true, rate))
			still = now_ms();
		left = actor->wire_len + end_unsent(actor) + other->wire_len +
		       end_unsent(other);
		if (left != before)
			still = now_ms();
		before = left;
		if (left == 0 && (!p->kind->unread || end_unread(actor) > 0))
			break;
		wait_turn();
	}
	p->arrived = actor->wire_len == 0 && end_unsent(actor) == 0;
}

/* What one does who has seen the end of the other's stream. */
static void
answer(struct play *p, struct end *e)
{
	bool clean = e->saw != NULL && (strcmp(e->saw, "fin") == 0 ||
					   strcmp(e->saw, "close_notify") == 0);

	if (!clean || e->finished)
		return;
	if (e == other_of(p) && p->kind->then != NULL) {
		if (e->fd != -1)
			p->kind->then(e, actor_of(p));
		e->finished = true;
		return;
	}
	if (e == other_of(p) && p->kind->more)
		end_put(e, LOAD);
	end_finish(e, true);
}

/* Has that end seen what it is to see? */
static bool
is_over(const struct end *e, bool stays)
{
	return (
	    !stays || e->fd == -1 ||
	    (e->saw != NULL && e->wire_len == 0 && !e->ending && e->read_all));
}

static void
see(struct play *p, const struct options *o)
{
	struct end *actor = actor_of(p), *other = other_of(p);
	bool gone = p->version == 0 &&
		    (p->kind->act == vanish || p->kind->then == vanish);
	int64_t until = now_ms() + (gone ? NOTHING : o->limit);
	int64_t hold = now_ms() + (p->rate == READS_LATER ? HOLD : 0);
	enum rate rate = p->rate;
	bool moved;

	while (now_ms() < until) {
		if (rate == READS_LATER && now_ms() >= hold)
			rate = READS;
		moved = move(actor, p->kind->stays, READS);
		moved = move(other, true, rate) || moved;
		answer(p, actor);
		answer(p, other);
		if (is_over(actor, p->kind->stays) && is_over(other, true))
			break;
		if (!moved || rate == READS_SLOWLY)
			wait_turn();
	}
	/* The bytes behind an error that a send was told of. */
	while (end_receive(other, seed_of(other), END_CHUNK))
		;
}

static void
report(struct play *p)
{
	static const char *const loads[] = { "none", "client", "upstream",
		"both" };
	static const char *const rates[] = { "reads", "reads slowly",
		"reads later" };
	const struct end *c = &p->end[CLIENT], *u = &p->end[UPSTREAM];
	char line[1024];
	int n;

	n = snprintf(line, sizeof(line),
	    "{\"kind\":\"%s\",\"way\":\"%s\",\"load\":\"%s\",\"other\":\"%s\","
	    "\"actor\":\"%s\",\"ports\":\"%u %u\",\"arrived\":%d,"
	    "\"client_sent\":%zu,\"client_got\":%zu,\"client_saw\":\"%s\","
	    "\"upstream_sent\":%zu,\"upstream_got\":%zu,"
	    "\"upstream_saw\":\"%s\",\"differs\":%d}\n",
	    p->kind->name,
	    p->version == 0		   ? "direct"
	    : p->version == TLS1_2_VERSION ? "1.2"
					   : "1.3",
	    loads[p->load], rates[p->rate],
	    p->kind->actor == CLIENT ? "client" : "upstream", p->port,
	    p->upstream, p->arrived, c->put, c->got,
	    c->saw != NULL ? c->saw : "nothing", u->put, u->got,
	    u->saw != NULL ? u->saw : "nothing", c->differs || u->differs);
	if (write(STDOUT_FILENO, line, (size_t)n) != n)
		err(1, "write");
}

static void
play(struct play *p, const struct options *o)
{
	set_up(p, o);
	load(p, p->rate);
	p->kind->act(actor_of(p), other_of(p));
	see(p, o);
	report(p);
}

/* The same while sniport ends: see -w. */
static void
sit(struct play *p, const struct options *o, int ready)
{
	char byte;

	set_up(p, o);
	load(p, p->rate);
	close(ready);
	while (read(STDIN_FILENO, &byte, 1) > 0)
		;
	see(p, o);
	report(p);
}

static const struct kind sniport_ends =
    KIND(CLIENT, "sniport ends", NULL, .tls = true, .stays = true);

static bool
next(struct play *p, size_t *i, bool wait)
{
	static const int versions[] = { 0, TLS1_2_VERSION, TLS1_3_VERSION };
	size_t n = (*i)++;

	*p = (struct play){ .end = { { .fd = -1 }, { .fd = -1 } } };
	p->rate = (enum rate)(n % 3);
	p->load = (int)(n / 3 % 4);
	p->version = versions[n / 12 % 3];
	n /= 36;
	if (n >= (wait ? 1 : NKINDS))
		return (false);
	p->kind = wait ? &sniport_ends : &kinds[n];
	if (p->kind->tls && p->version == 0)
		return (next(p, i, wait));
	return (true);
}

/* Waits for one of them; false: there is none. */
static bool
reap(bool *failed)
{
	int status;

	if (wait(&status) == -1)
		return (false);
	*failed |= status != 0;
	return (true);
}

static void
wait_ready(const int ready[2])
{
	char byte;

	close(ready[1]);
	while (read(ready[0], &byte, 1) > 0)
		;
	if (write(STDOUT_FILENO, "ready\n", 6) != 6)
		err(1, "write");
}

int
main(int argc, char *argv[])
{
	struct options o = { .jobs = 100, .limit = 20000 };
	struct play p;
	size_t i = 0;
	int opt, running = 0, ready[2];
	bool failed = false;

	while ((opt = getopt(argc, argv, "p:j:t:w")) != -1)
		switch (opt) {
		case 'p':
			o.port = (uint16_t)atoi(optarg);
			break;
		case 'j':
			o.jobs = atoi(optarg);
			break;
		case 't':
			o.limit = atoi(optarg) * 1000;
			break;
		case 'w':
			o.wait = true;
			break;
		default:
			return (2);
		}
	signal(SIGPIPE, SIG_IGN);
	if (pipe(ready) == -1)
		err(1, "pipe");
	for (; next(&p, &i, o.wait); running++) {
		if (running >= o.jobs && !o.wait && reap(&failed))
			running--;
		switch (fork()) {
		case -1:
			err(1, "fork");
		case 0:
			if (o.wait)
				sit(&p, &o, ready[1]);
			else
				play(&p, &o);
			_exit(0);
		}
	}
	if (o.wait)
		wait_ready(ready);
	while (reap(&failed))
		;
	return (failed);
}
