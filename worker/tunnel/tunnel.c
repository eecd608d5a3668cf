#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "common/base/clock.h"
#include "common/base/fd.h"
#include "common/shm/stats.h"
#include "common/shm/table.h"
#include "worker/tunnel/state.h"

/* What a refused client may still send before its socket is just closed. */
#define LINGER_BYTES (1024 * 1024)
#define LINGER_CHUNK 4096

/* What the phases do when there is something to do, and until when. */
struct state {
	void (*run)(struct tunnel *);
	int64_t (*deadline)(const struct tunnel *);
	void (*expire)(struct tunnel *);
};
static const struct state states[];

void
tunnel_arm(struct tunnel *t)
{
	int64_t when = states[t->phase].deadline(t);

	if (when == CLOCK_NEVER)
		timer_cancel(loop_timers(t->all->loop), &t->timer);
	else
		timer_arm(loop_timers(t->all->loop), &t->timer, when);
}

void
tunnel_enter(struct tunnel *t, enum phase phase)
{
	t->phase = phase;
	t->phase_since = tunnel_now(t);
	tunnel_arm(t);
}

/* Moving bytes does not touch the timer; whether it was right to fire is
 * found out here. */
void
tunnel_timer_cb(struct timer *timer)
{
	struct tunnel *t = container_of(timer, struct tunnel, timer);

	if (tunnel_now(t) < states[t->phase].deadline(t))
		tunnel_arm(t);
	else
		states[t->phase].expire(t);
}

static int64_t
hello_deadline(const struct tunnel *t)
{
	return (t->facts->accepted + tunnel_timeouts(t)->client_hello);
}

static void
hello_expire(struct tunnel *t)
{
	tunnel_close(t, REASON_CLIENT_HELLO_TIMEOUT);
}

static int64_t
handshake_deadline(const struct tunnel *t)
{
	return (t->facts->accepted + tunnel_timeouts(t)->handshake);
}

static void
handshake_expire(struct tunnel *t)
{
	tunnel_close(t, REASON_HANDSHAKE_TIMEOUT);
}

/* The dial has a deadline of its own. */
static int64_t
connect_deadline(const struct tunnel *t)
{
	return (t->look);
}

static void
connect_expire(struct tunnel *t)
{
	if (!tunnel_look(t))
		tunnel_arm(t);
}

/* How long nothing may move, 0: for ever; and why it ends then. */
static int64_t
relay_limit(const struct tunnel *t, enum reason *reason)
{
	int64_t half_close = tunnel_timeouts(t)->half_close;
	int64_t idle = tunnel_timeouts(t)->idle;

	if (t->terms->idle_timeout >= 0)
		idle = t->terms->idle_timeout;
	*reason = REASON_IDLE_TIMEOUT;
	if (!tunnel_half_closed(t) || (idle != 0 && idle < half_close))
		return (idle);
	*reason = REASON_HALF_CLOSE_TIMEOUT;
	return (half_close);
}

static int64_t
relay_deadline(const struct tunnel *t)
{
	enum reason reason;
	int64_t limit = relay_limit(t, &reason);

	if (limit == 0 || t->active + limit > t->look)
		return (t->look);
	return (t->active + limit);
}

/* The kernel counts in jiffies, and may have sent a little later. */
#define SENT_SLACK (20 * CLOCK_MSEC)

/* What the kernel was given moves on without us, to one who reads slowly. But
 * an answer to a record without data is not a byte of the tunnel. */
static void
note_sent(struct tunnel *t)
{
	int64_t client = tunnel_now(t) - half_last_sent(&t->client);
	int64_t upstream = tunnel_now(t) - half_last_sent(&t->upstream);

	if (client > t->active && client > t->answered + SENT_SLACK)
		t->active = client;
	if (upstream > t->active)
		t->active = upstream;
}

static void
relay_expire(struct tunnel *t)
{
	enum reason reason;

	if (tunnel_look(t))
		return;
	note_sent(t);
	(void)relay_limit(t, &reason);
	if (tunnel_now(t) < relay_deadline(t))
		tunnel_arm(t);
	else
		tunnel_close(t, reason);
}

static int64_t
flush_deadline(const struct tunnel *t)
{
	return (t->flush_poll);
}

static int64_t
linger_deadline(const struct tunnel *t)
{
	return (t->phase_since + tunnel_timeouts(t)->shutdown);
}

static void
garbage_free(struct loop_garbage *g)
{
	struct tunnel *t = container_of(g, struct tunnel, garbage);

	free(t->target);
	free(t);
}

/* The sockets are closed; the memory outlives this turn. */
static void
bury(struct tunnel *t)
{
	struct tunnels *all = t->all;

	if (t->phase == PHASE_LINGER)
		all->lingering--;
	t->phase = PHASE_CLOSED;
	timer_cancel(loop_timers(all->loop), &t->timer);
	loop_undefer(all->loop, &t->task);
	if (t->counted_client)
		limits_client_done(&all->limits, &t->facts->client);
	if (t->counted_rule)
		limits_rule_done(&all->limits, t->terms);
	TAILQ_REMOVE(&all->list, t, entry);
	all->count--;
	atomic_store_explicit(
	    &all->slot->tunnels, all->count, memory_order_relaxed);
	table_release(all->table, t->facts);
	t->facts = NULL;
	t->garbage.free = garbage_free;
	loop_free_later(all->loop, &t->garbage);
	all->closed(all->arg);
}

/* Does OpenSSL know more about it than we? */
static bool
tls_fault(enum reason reason)
{
	return (reason == REASON_TLS_HANDSHAKE ||
		reason == REASON_CLIENT_CERTIFICATE ||
		reason == REASON_TLS_VERSION || reason == REASON_CLIENT_TLS);
}

static void
linger(struct tunnel *t)
{
	tls_free(half_tls(&t->client));
	t->client.stream = NULL;
	/* The client sees the alert, then the end; if it is gone, so be it. */
	(void)shutdown(t->client.lfd.fd, SHUT_WR);
	tunnel_enter(t, PHASE_LINGER);
	t->all->lingering++;
	t->client.readable = true;
	loop_defer(t->all->loop, &t->task);
}

void
tunnel_tell_end(struct tunnel *t)
{
	tunnel_audit_end(t);
	tunnel_log_end(t);
	stats_add(&t->all->slot->reason[t->facts->reason], 1);
}

/* The one way out: audit line, counters, sockets. */
void
tunnel_close(struct tunnel *t, enum reason reason)
{
	struct tunnel_facts *f = t->facts;
	bool clean;

	assert(t->phase < PHASE_LINGER);
	tunnel_blame(t, reason,
	    tls_fault(reason) ? tls_error(half_tls(&t->client)) : NULL);
	tunnel_give_up_dial(t);
	tunnel_note_moved(t);
	tunnel_tell_end(t);
	stats_add(
	    &t->all->slot->count[STAT_BYTES_FROM_CLIENT], f->bytes_from_client);
	stats_add(&t->all->slot->count[STAT_BYTES_FROM_UPSTREAM],
	    f->bytes_from_upstream);
	clean = reason_class(f->reason) == REASON_CLASS_GOOD;
	half_close(&t->upstream, !clean);
	if (t->lingers) {
		linger(t);
		return;
	}
	half_close(&t->client, !clean);
	bury(t);
}

/* Throws away what a refused client still sends, so that its own unread
 * bytes do not turn our close into a reset. */
static void
linger_run(struct tunnel *t)
{
	uint8_t waste[LINGER_CHUNK];
	ssize_t n;

	while (t->client.readable && t->lingered < LINGER_BYTES) {
		n = recv(t->client.lfd.fd, waste, sizeof(waste), 0);
		if (n == -1 && errno == EAGAIN)
			return;
		if (n <= 0)
			break;
		t->lingered += (size_t)n;
	}
	half_close(&t->client, false);
	bury(t);
}

static void
linger_expire(struct tunnel *t)
{
	half_close(&t->client, false);
	bury(t);
}

static const struct state states[] = {
	[PHASE_PROXY] = { tunnel_proxy_run, hello_deadline,
	    tunnel_proxy_expire },
	[PHASE_HELLO] = { tunnel_handshake_run, hello_deadline, hello_expire },
	[PHASE_HANDSHAKE] = { tunnel_handshake_run, handshake_deadline,
	    handshake_expire },
	[PHASE_CONNECT] = { tunnel_connect_run, connect_deadline,
	    connect_expire },
	[PHASE_RELAY] = { tunnel_relay_run, relay_deadline, relay_expire },
	[PHASE_FLUSH] = { tunnel_flush_run, flush_deadline,
	    tunnel_flush_expire },
	[PHASE_LINGER] = { linger_run, linger_deadline, linger_expire },
};

void
tunnel_run(struct tunnel *t)
{
	states[t->phase].run(t);
}

int
tunnels_init(struct tunnels *all, const struct boot *boot, struct loop *loop,
    struct resolver *resolver)
{
	const struct conf *conf = boot->conf;
	const struct tls_bounds bounds = {
		.hello = (uint64_t)conf->limits.client_hello,
		.rest = (uint64_t)conf->limits.handshake,
	};

	all->boot = boot;
	all->loop = loop;
	all->slot = stats_mine(boot->shm);
	conf_names(conf, &all->names);
	TAILQ_INIT(&all->list);
	buffers_init(&all->buffers, (size_t)conf->limits.buffer,
	    tls_slack((size_t)conf->limits.buffer));
	limits_init(&all->limits, &conf->limits, boot->shm);
	all->dial = (struct dial_context){
		.loop = loop,
		.resolver = resolver,
		.guard = boot->guard,
		.family = conf->dns.family,
		.timeout = conf->timeouts.connect,
		.lost = conf->timeouts.lost,
		.random = (uint64_t)clock_now() ^ (uint64_t)boot->worker << 32,
	};
	guard_probe_init(&all->dial.probe);
	if (tls_context_new(&all->tls, boot->tls, &bounds, &all->buffers,
		tunnel_hello_cb) != 0)
		return (-ENOMEM);
	tls_context_trust(all->tls, conf->tls.authentication_lifetime);
	return (0);
}

void
tunnels_fini(struct tunnels *all)
{
	assert(all->count == 0);
	tls_context_free(all->tls);
	guard_probe_fini(&all->dial.probe);
	buffers_fini(&all->buffers);
}

void
tunnels_end(struct tunnels *all, enum reason reason)
{
	struct tunnel *t, *next;

	for (t = TAILQ_FIRST(&all->list); t != NULL; t = next) {
		next = TAILQ_NEXT(t, entry);
		if (t->phase == PHASE_LINGER) {
			linger_expire(t);
			continue;
		}
		/* A tunnel that broke already keeps its cause; one that is
		 * refused now gets no alert, it is ended like all others. */
		if (t->phase <= PHASE_HANDSHAKE)
			t->phase = PHASE_CONNECT;
		tunnel_close(t, reason);
	}
}
