/*
 * The world of one tunnel: a client, a TLS session, a dial, an upstream and a
 * clock that do what they are told. Include it once in a program; it stands in
 * the place of what it tells of.
 */
#ifndef T_UNIT_TUNNEL_WORLD_H
#define T_UNIT_TUNNEL_WORLD_H

#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/* To look into its queues, and to run it by turns. */
#include "worker/loop/loop.c"

#include "common/log/log.h"
#include "common/log/sink.h"
#include "common/policy/policy.h"
#include "common/shm/shm.h"
#include "common/shm/stats.h"
#include "common/shm/table.h"
#include "t/unit/fake_clock.h"
#include "t/unit/returns_null.h"
#include "t/unit/tap.h"
#include "worker/tls/handshake.h"
#include "worker/tls/stream.h"
#include "worker/tunnel/state.h"

#define SEC   CLOCK_SEC
#define CHUNK 1000
#define STEPS 4
#define FILES 256

/* What an operation answers; bytes: how many it moves at most. */
struct answer {
	enum io_outcome outcome;
	int error;
	size_t bytes;
};

struct script {
	struct answer steps[STEPS];
	size_t n, next;
	struct answer rest; /* when they are used up */
};

/* One of the two at the ends, and its socket. */
struct side {
	struct script receive, send, flush, finish;
	uint64_t came, took; /* bytes, of both ways */
	bool told_end;	     /* it was told the end of the other's stream */
	int fd;		     /* of the tunnel; -1: there was none */
	int other;
	int pending_error;  /* that the kernel tells once */
	int unacknowledged; /* bytes */
	bool lost;	    /* its host answers no more */
	unsigned sent_ago;  /* ms since the kernel sent it bytes; 0: long */
	bool clean;	    /* closed with an end, not a reset */
	bool has_all;	    /* whoever asked was told that it has */
};

struct tls_handshake {
	struct io says;
	enum reason failure;
	bool alerted, hello, told;
};

static struct world {
	struct tunnels all;
	struct loop *loop;
	struct side client, upstream;
	struct tls_handshake handshake;
	const char *server_name;
	unsigned handshakes, streams, parted; /* that are there */
	/* The dial. */
	dial_cb *cb;
	dial_try_cb *try_cb;
	void *arg;
	unsigned dials; /* that are there */
	unsigned dialled;
	bool no_dial;
	struct loop_fd lfd;
	unsigned opened, closed;
	size_t preface; /* bytes that are not the client's */
	/* What was told. */
	unsigned lines, connects;
	struct tunnel_facts facts;
	char detail[64];
	struct tunnel *tunnel;
} w;

static struct conf conf;
static struct conf_listener listener;
static struct rule rule;
static struct boot boot;
static struct shm *master;
static struct table *table;
static struct resolver *no_resolver;

static const struct answer nothing = { IO_WAIT_READ, 0, 0 };
static const struct answer done = { IO_DONE, 0, CHUNK };

/* In the place of the system. */

static inline struct side *
side_of(int fd)
{
	if (fd != -1 && fd == w.client.fd)
		return (&w.client);
	return (fd != -1 && fd == w.upstream.fd ? &w.upstream : NULL);
}

int
getsockopt(int fd, int level, int name, void *value, socklen_t *len)
{
	struct side *s = side_of(fd);
	struct tcp_info info = { .tcpi_snd_wnd = 1 };

	if (s != NULL && level == SOL_SOCKET && name == SO_ERROR) {
		memcpy(value, &s->pending_error, sizeof(s->pending_error));
		s->pending_error = 0;
		return (0);
	}
	if (s != NULL && level == IPPROTO_TCP && name == TCP_INFO) {
		info.tcpi_last_data_sent =
		    s->sent_ago > 0 ? s->sent_ago : 1000000;
		if (s->lost) {
			info.tcpi_unacked = 1;
			info.tcpi_retransmits = 3;
			info.tcpi_last_ack_recv = 1000000;
		}
		memcpy(value, &info, sizeof(info));
		return (0);
	}
	return ((int)syscall(SYS_getsockopt, fd, level, name, value, len));
}

int
setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
	struct side *s = side_of(fd);

	if (s != NULL && level == SOL_SOCKET && name == SO_LINGER)
		s->clean = ((const struct linger *)value)->l_onoff == 0;
	return ((int)syscall(SYS_setsockopt, fd, level, name, value, len));
}

int
ioctl(int fd, unsigned long request, ...)
{
	struct side *s = side_of(fd);
	va_list ap;
	int *n;

	va_start(ap, request);
	n = va_arg(ap, int *);
	va_end(ap);
	if (s == NULL || request != SIOCOUTQ)
		return ((int)syscall(SYS_ioctl, fd, request, n));
	*n = s->unacknowledged;
	s->has_all = *n == 0 && s->told_end;
	return (0);
}

/* In the place of the halves' operations. */

static inline struct answer
next(struct script *s)
{
	return (s->next < s->n ? s->steps[s->next++] : s->rest);
}

static inline struct io
answer(const struct answer *a, size_t n)
{
	return ((struct io){
	    .outcome = a->outcome, .error = a->error, .n = n, .cost = n });
}

static inline struct io
side_receive(struct side *s, uint8_t *buf, size_t size)
{
	struct answer a = next(&s->receive);
	size_t n = a.bytes < size ? a.bytes : size;

	if (a.outcome != IO_DONE && a.outcome != IO_WAIT_READ)
		n = 0;
	memset(buf, 'x', n);
	s->came += n;
	return (answer(&a, n));
}

static inline struct io
side_send(struct side *s, size_t len)
{
	struct answer a = next(&s->send);
	size_t n = a.bytes < len ? a.bytes : len;

	if (a.outcome == IO_BROKEN)
		n = 0;
	s->took += n;
	return (answer(&a, n));
}

static inline struct io
side_flush(struct side *s)
{
	struct answer a = next(&s->flush);

	return (answer(&a, 0));
}

static inline struct io
side_finish(struct side *s)
{
	struct answer a = next(&s->finish);

	s->told_end = s->told_end || a.outcome == IO_DONE;
	return (answer(&a, a.outcome == IO_DONE && s == &w.client ? 24 : 0));
}

static inline struct io
upstream_receive(struct half *h, uint8_t *buf, size_t size)
{
	return (side_receive(&w.upstream, buf, size));
}

static inline struct io
upstream_send(struct half *h, const uint8_t *buf, size_t len)
{
	return (side_send(&w.upstream, len));
}

static inline struct io
upstream_flush(struct half *h)
{
	return (side_flush(&w.upstream));
}

static inline struct io
upstream_finish(struct half *h)
{
	return (side_finish(&w.upstream));
}

static inline void
upstream_close(struct half *h)
{
}

static const struct half_ops upstream_ops = { .receive = upstream_receive,
	.send = upstream_send,
	.flush = upstream_flush,
	.finish = upstream_finish,
	.close = upstream_close };

/* In the place of TLS: one session at a time. */

struct tls_stream {
	struct side *side;
};

static struct tls_stream session = { &w.client };
static tls_hello_cb *hello_cb;
static struct tunnel *hello_arg;

int
tls_context_new(struct tls_context **context, struct ssl_ctx_st *ctx,
    const struct tls_bounds *bounds, struct buffers *buffers, tls_hello_cb *cb)
{
	hello_cb = cb;
	*context = NULL;
	return (0);
}

void
tls_context_free(struct tls_context *context)
{
}

void
tls_context_trust(struct tls_context *context, int64_t lifetime)
{
}

void
tls_context_tickets(
    struct tls_context *context, const struct ticket_keys *keys, unsigned n)
{
}

static bool no_handshake;

/* Who the client is, by its certificate. */
static struct identity identities[1];
static size_t nidentities;
static int identity_error;

int
tls_handshake_new(
    struct tls_handshake **hs, struct tls_context *context, int fd, void *arg)
{
	if (no_handshake)
		return (-ENOMEM);
	hello_arg = arg;
	w.handshakes++;
	*hs = &w.handshake;
	return (0);
}

void
tls_handshake_free(struct tls_handshake *hs)
{
	w.handshakes -= hs != NULL;
}

struct io
tls_handshake_run(struct tls_handshake *hs, bool behind)
{
	const uint8_t *name = (const uint8_t *)w.server_name;
	enum reason reason = name == NULL ? REASON_SNI_MISSING : REASON_NONE;

	if (hs->hello && !hs->told) {
		hs->told = true;
		if (hello_cb(hello_arg, name,
			name != NULL ? strlen(w.server_name) : 0,
			&reason) != TLS_ALERT_NONE) {
			hs->failure = reason;
			hs->alerted = true;
			return (io_broken(-EPROTO));
		}
	}
	return (hs->says);
}

struct tls_stream *
tls_handshake_take(struct tls_handshake *hs)
{
	w.handshakes--;
	w.streams++;
	return (&session);
}

enum reason
tls_handshake_failure(const struct tls_handshake *hs)
{
	return (hs->failure);
}

bool
tls_handshake_alerted(const struct tls_handshake *hs)
{
	return (hs->alerted);
}

bool
tls_handshake_left(const struct tls_handshake *hs)
{
	return (false);
}

bool
tls_handshake_silent(const struct tls_handshake *hs)
{
	return (!hs->told && hs->says.outcome == IO_WAIT_READ);
}

int
tls_handshake_identities(struct tls_handshake *hs,
    const struct identity **names, size_t *n, const char **why)
{
	*names = identities;
	*n = nidentities;
	*why = "revoked";
	return (identity_error);
}

bool
tls_handshake_verified(const struct tls_handshake *hs)
{
	return (false);
}

unsigned
tls_handshake_version(const struct tls_handshake *hs)
{
	return (0x0304);
}

const char *
tls_handshake_cipher(const struct tls_handshake *hs)
{
	return ("cipher");
}

bool
tls_handshake_resumed(const struct tls_handshake *hs)
{
	return (false);
}

size_t
tls_slack(size_t chunk)
{
	return (BUFFER_SLACK);
}

void
tls_stream_free(struct tls_stream *stream)
{
	w.streams -= stream != NULL;
}

bool
tls_handshake_drained(const struct tls_handshake *hs, bool behind)
{
	return (false);
}

bool
tls_drained(const struct tls_stream *stream, bool more)
{
	return (false);
}

void
tls_part(struct tls_stream *stream)
{
	w.parted++;
}

struct io
tls_receive(struct tls_stream *stream, uint8_t *buf, size_t size, bool behind)
{
	return (side_receive(stream->side, buf, CHUNK));
}

struct io
tls_send(struct tls_stream *stream, const uint8_t *buf, size_t len)
{
	return (side_send(stream->side, len));
}

struct io
tls_flush(struct tls_stream *stream)
{
	return (side_flush(stream->side));
}

struct io
tls_finish(struct tls_stream *stream)
{
	return (side_finish(stream->side));
}

/* In the place of the dial. */

bool
dial_asks(struct dial_context *context, const struct target *target,
    const struct rule *terms)
{
	return (true);
}

int
dial_start(struct dial **dial, struct dial_context *context,
    const struct dial_request *request)
{
	if (w.no_dial)
		return (-ENOMEM);
	w.cb = request->cb;
	w.try_cb = request->try_cb;
	w.arg = request->arg;
	w.dials++;
	w.dialled++;
	*dial = (struct dial *)(void *)&w;
	return (0);
}

void
dial_progress(const struct dial *dial, struct dial_report *r)
{
	*r = (struct dial_report){ .dns_ns = 5, .connect_ns = -1 };
}

void
dial_free(struct dial *dial)
{
	w.dials -= dial != NULL;
	w.cb = NULL;
}

/* In the place of the audit log. */
int
audit_write(
    struct sink *sink, enum audit_syntax format, const struct audit_line *line)
{
	struct piece words[FACTS_WORDS];
	struct piece *detail = &words[FACTS_DETAIL];

	if (line->event == AUDIT_CONNECT) {
		w.connects++;
	} else {
		w.lines++;
		memcpy(&w.facts, line->facts, sizeof(w.facts));
		facts_words(line->text, line->facts->text_len, words);
		snprintf(w.detail, sizeof(w.detail), "%.*s", (int)detail->len,
		    detail->s != NULL ? (const char *)detail->s : "");
	}
	return (sink_write(sink, 6, "line\n", 5));
}

/* The world of one tunnel. */

static inline void
left_list(void *arg)
{
	w.closed++;
	w.tunnel = NULL;
}

static inline void
side_init(struct side *s)
{
	*s = (struct side){ .fd = -1, .other = -1 };
	s->receive.rest = nothing;
	s->send.rest = s->flush.rest = s->finish.rest = done;
}

static inline int
make_socket(struct side *s)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0,
		pair) != 0)
		abort();
	s->fd = pair[0];
	s->other = pair[1];
	return (s->fd);
}

static inline void
world(void)
{
	memset(&w, 0, sizeof(w));
	side_init(&w.client);
	side_init(&w.upstream);
	w.server_name = "name.example:443";
	w.handshake.says = io_outcome(IO_WAIT_READ);
	if (loop_new(&w.loop) != 0)
		abort();
	w.all.table = table;
	w.all.closed = left_list;
	if (tunnels_init(&w.all, &boot, w.loop, no_resolver) != 0)
		abort();
}

static inline void
stop_cb(struct timer *t)
{
	w.loop->stop = true;
}

/* Lets so much time pass. */
static inline void
pass(int64_t ns)
{
	struct timer stop;

	timer_init(&stop, stop_cb);
	w.loop->now = clock_now();
	timer_arm(loop_timers(w.loop), &stop, loop_now(w.loop) + ns);
	w.loop->stop = false;
	(void)loop_run(w.loop, NULL, NULL);
	timer_cancel(loop_timers(w.loop), &stop);
	if (w.lines > 0 && w.all.count == 0)
		w.tunnel = NULL;
}

/* What is to be done is done, without a wait. */
static inline void
settle(void)
{
	int i;

	for (i = 0; i < 6; i++)
		pass(0);
}

/* epoll tells the tunnel of that. */
static inline void
poke(bool client, uint32_t events)
{
	struct loop_fd *lfd;

	if (w.tunnel == NULL)
		return;
	lfd = client ? &w.tunnel->client.lfd : &w.tunnel->upstream.lfd;
	if (lfd->fd != -1 && lfd->cb != NULL)
		lfd->cb(lfd, events);
	settle();
}

static inline void
open_tunnel(void)
{
	static const struct addr client = {
		.family = AF_INET, .port = 9, .ip = { 192, 0, 2, 1 }
	};

	w.opened++;
	tunnel_open(&w.all, make_socket(&w.client), &client, &listener);
	w.tunnel = TAILQ_FIRST(&w.all.list);
	if (w.tunnel != NULL)
		w.tunnel->upstream.ops = &upstream_ops;
}

static inline void
hello(enum io_outcome outcome)
{
	w.handshake.hello = true;
	w.handshake.says = io_outcome(outcome);
	poke(true, EPOLLIN);
}

static inline void
no_event(struct loop_fd *lfd, uint32_t events)
{
}

/* An address is dialled or has failed. */
static inline void
dial_tries(size_t place, const char *text, enum reason reason)
{
	struct facts_try try = { .reason = reason };

	if (addr_parse(&try.addr, text, strlen(text), 0) != 0)
		abort();
	w.try_cb(w.arg, place, &try);
}

/* What a reader of the table finds, as if the worker had died: "ADDRESS REASON"
 * of each address that was tried. */
static inline const char *
tried_so_far(char buf[512])
{
	struct facts_try tries[FACTS_TRIED_MAX];
	struct tunnel *t = TAILQ_FIRST(&w.all.list);
	uint8_t packed[FACTS_TEXT_MAX];
	const uint8_t *text = table_text(table, t->facts, packed);
	size_t i, len = 0, n = facts_tries(text, t->facts->text_len, tries);
	char address[ADDR_TEXT_SIZE];

	buf[0] = '\0';
	for (i = 0; i < n && len < 512; i++) {
		addr_format(&tries[i].addr, address);
		len += (size_t)snprintf(buf + len, 512 - len, "%s%s %s",
		    i > 0 ? ", " : "", address, reason_name(tries[i].reason));
	}
	return (buf);
}

/* The dial ends with a connection, or with why not. */
static inline void
dial_ends(enum reason reason)
{
	struct dial_report r = {
		.reason = reason, .dns_ns = 5, .connect_ns = 6
	};

	if (w.cb == NULL)
		return;
	if (reason != REASON_NONE) {
		r.detail = "because";
		w.cb(w.arg, &r, NULL);
	} else {
		w.lfd.cb = no_event;
		if (loop_add(w.loop, &w.lfd, make_socket(&w.upstream),
			LOOP_STREAM) != 0)
			abort();
		r.events = EPOLLIN | EPOLLOUT;
		w.cb(w.arg, &r, &w.lfd);
	}
	settle();
}

enum phase {
	IN_HELLO,
	IN_HANDSHAKE,
	IN_CONNECT,
	IN_RELAY,
	IN_HALF_CLOSED,
	IN_FLUSH,
	IN_LINGER,
	PHASES
};

static inline void
answers(struct script *s, struct answer a)
{
	s->steps[0] = a;
	s->n = 1;
	s->next = 0;
}

/* A tunnel that has come so far. */
static inline void
reach(enum phase phase)
{
	world();
	open_tunnel();
	settle();
	if (phase == IN_HELLO)
		return;
	if (phase == IN_LINGER) {
		w.server_name = "name.example"; /* no port */
		hello(IO_WAIT_READ);
		return;
	}
	hello(IO_WAIT_READ);
	if (phase == IN_HANDSHAKE)
		return;
	hello(IO_DONE);
	if (phase == IN_CONNECT)
		return;
	dial_ends(REASON_NONE);
	if (phase == IN_HALF_CLOSED) {
		answers(&w.client.receive, (struct answer){ IO_END, 0, 0 });
		poke(true, EPOLLIN);
	}
	if (phase == IN_FLUSH) {
		w.upstream.unacknowledged = 1;
		answers(&w.client.receive,
		    (struct answer){ IO_BROKEN, -ECONNRESET, 0 });
		poke(true, EPOLLIN);
	}
}

/* Is anything left of it? */
static inline const char *
left_over(void)
{
	const struct stats_slot *slot = stats_mine(boot.shm);
	struct limits_held held = { 0 };

	if (w.lines != w.opened)
		return (w.lines < w.opened ? "no line" : "two lines");
	if (w.all.count != 0 || w.closed != w.opened)
		return ("the tunnel");
	if (w.all.lingering != 0)
		return ("who lingers");
	if (w.handshakes + w.streams != 0)
		return ("a session");
	if (w.dials != 0)
		return ("a dial");
	if (w.all.buffers.nlent != 0)
		return ("a block");
	if (timer_next(loop_timers(w.loop)) != CLOCK_NEVER)
		return ("a timer");
	if (!TAILQ_EMPTY(&w.loop->tasks) || w.loop->work != NULL)
		return ("a task");
	if (turns_any(&w.all.turns))
		return ("a turn");
	if (slot->tunnels != 0)
		return ("a count");
	if (limits_client(&w.all.limits, &held, &w.facts.client) !=
		REASON_NONE ||
	    limits_rule(&w.all.limits, &held, &rule) != REASON_NONE)
		return ("a place in a limit");
	limits_release(&w.all.limits, &held);
	table_settle(table, sink_left(boot.audit));
	if (table_used(table) != 0)
		return ("its slot in the table");
	if (w.facts.bytes_from_client + w.preface != w.upstream.took ||
	    w.facts.bytes_from_upstream != w.client.took)
		return ("bytes that are not told of");
	return (NULL);
}

/* Is the socket of a side closed? */
static inline bool
is_closed(struct side *s)
{
	char byte;

	if (s->other == -1)
		return (true);
	while (recv(s->other, &byte, 1, 0) == 1)
		continue;
	return (send(s->other, "x", 1, MSG_NOSIGNAL) == -1 && errno != EAGAIN);
}

/* Ends the world; NULL: nothing is left of it. */
static inline const char *
end(void)
{
	const char *left = left_over();

	if (left == NULL && !(is_closed(&w.client) && is_closed(&w.upstream)))
		left = "a socket";
	tunnels_end(&w.all, REASON_DRAIN_DEADLINE);
	tunnels_end(&w.all, REASON_DRAIN_DEADLINE); /* those that linger now */
	pass(0);
	tunnels_fini(&w.all);
	loop_free(w.loop);
	fd_close(&w.client.other);
	fd_close(&w.upstream.other);
	return (left);
}

static inline void
over(enum reason reason, const char *what)
{
	enum reason told = w.facts.reason;
	unsigned lines = w.lines;
	const char *left = end();

	is_int(lines, 1, what);
	is_str(reason_name(told), reason_name(reason), "and why");
	ok(left == NULL, "nothing is left: %s", left != NULL ? left : "indeed");
}

/* One side's script, from both its words. */
static inline void
receives(struct side *s, enum io_outcome outcome, int error, size_t bytes)
{
	answers(&s->receive, (struct answer){ outcome, error, bytes });
	poke(s == &w.client, EPOLLIN);
}

static inline void
set_up(void)
{
	static struct rule_destination any = {
		.kind = RULE_DESTINATION_ANY, .port_low = 1, .port_high = 65535
	};
	struct sink *sink = NULL;
	struct policy *policy = NULL;
	int slot, writer, reader;

	conf = (struct conf){
		.listeners = &listener,
		.nlisteners = 1,
		.rules = &rule,
		.nrules = 1,
		.timeouts = { .client_hello = 10 * SEC,
		    .handshake = 20 * SEC,
		    .turn = 3 * SEC,
		    .connect = 30 * SEC,
		    .idle = 300 * SEC,
		    .half_close = 60 * SEC,
		    .shutdown = 5 * SEC,
		    .lost = 60 * SEC },
		.limits = { .tunnels = 10,
		    .tunnels_per_client = 1,
		    .client_hello = 16384,
		    .handshake = 65536,
		    .buffer = CHUNK },
		.log = { .access_connect = true, .silent_connections = true },
	};
	rule = (struct rule){ .name = "rule",
		.action = RULE_ALLOW,
		.destinations = &any,
		.ndestinations = 1,
		.max_tunnels = 1,
		.idle_timeout = -1 };
	if (sink_new(&sink, open("/dev/null", O_WRONLY)) != 0 ||
	    policy_new(&policy, &rule, 1) != 0 || shm_new(&master) != 0)
		abort();
	slot = shm_take(master, false);
	boot = (struct boot){ .conf = &conf, .policy = policy, .audit = sink };
	if (slot < 0 || shm_join(master, slot, &boot.shm) != 0 ||
	    log_new(&boot.log, sink, LOG_LEVEL_ERROR, "test") != 0 ||
	    table_new(table_size(10), &writer, &reader) != 0 ||
	    table_open(&table, writer) != 0)
		abort();
	close(writer);
	close(reader);
}

static inline void
tear_down(void)
{
	table_close(table);
	log_free(boot.log);
	sink_close(boot.audit);
	policy_free((struct policy *)(uintptr_t)boot.policy);
	shm_free(boot.shm);
	shm_free(master);
}

#endif
