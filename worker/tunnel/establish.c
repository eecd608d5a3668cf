#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/shm/stats.h"
#include "worker/dns/resolver.h"
#include "worker/tunnel/limits.h"
#include "worker/tunnel/state.h"

static void
keep_tried(struct tunnel *t, const struct dial_report *r)
{
	uint8_t word[FACTS_TRIED_MAX * FACTS_TRY_SIZE];
	size_t i;

	for (i = 0; i < r->ntried; i++)
		facts_try_pack(word + i * FACTS_TRY_SIZE, &r->tried[i]);
	if (r->ntried > 0)
		(void)tunnel_put(
		    t, FACTS_TRIED, word, r->ntried * FACTS_TRY_SIZE);
}

/* The dial is over: keeps what it found out, and has no further use for it. */
static void
end_dial(struct tunnel *t, const struct dial_report *r)
{
	struct tunnel_facts *f = t->facts;

	f->upstream = r->upstream;
	f->egress = r->egress;
	f->dns_ns = r->dns_ns;
	f->connect_ns = r->connect_ns;
	keep_tried(t, r);
	dial_free(t->dial);
	t->dial = NULL;
	free(t->target);
	t->target = NULL;
}

void
tunnel_give_up_dial(struct tunnel *t)
{
	struct dial_report r;

	if (t->dial == NULL)
		return;
	dial_progress(t->dial, &r);
	end_dial(t, &r);
}

static void
upstream_cb(struct loop_fd *lfd, uint32_t events)
{
	struct half *h = container_of(lfd, struct half, lfd);
	struct tunnel *t = container_of(h, struct tunnel, upstream);

	half_event(h, events);
	if (!tunnel_waits(t) &&
	    (t->phase == PHASE_RELAY || t->phase == PHASE_FLUSH))
		tunnel_run(t);
}

static void
dial_done(void *arg, const struct dial_report *r, struct loop_fd *lfd)
{
	struct tunnel *t = arg;
	int error = 0;

	t->upstream.lfd.cb = upstream_cb;
	if (lfd != NULL)
		error = loop_move(
		    t->all->loop, lfd, &t->upstream.lfd, TUNNEL_EVENTS);
	/* The kernel told it once; read on, bytes may have come before. */
	t->upstream.error = r->error;
	if (error != 0)
		tunnel_blame(t,
		    error == -ENOMEM ? REASON_NO_MEMORY : REASON_INTERNAL,
		    strerrordesc_np(-error));
	else if (lfd == NULL)
		tunnel_blame(t, r->reason, r->detail);
	end_dial(t, r);
	/*
	 * Whatever came of it, the handshake goes on to its end first: a
	 * refused handshake would be held against sniport itself.
	 */
	if (t->phase != PHASE_CONNECT)
		return;
	if (t->facts->reason != REASON_NONE)
		tunnel_close(t, t->facts->reason);
	else
		tunnel_relay_start(t);
}

/* The client ended its stream. */
static void
handshake_cut(struct tunnel *t)
{
	t->lingers = true;
	t->facts->closed_first = FACTS_SIDE_CLIENT;
	tunnel_close(t, REASON_CLIENT_ABANDONED);
}

static void
handshake_failed(struct tunnel *t, int error)
{
	enum reason reason;

	switch (error) {
	case -EPROTO:
		t->lingers = tls_alerted(half_tls(&t->client));
		tunnel_close(t, tls_failure(half_tls(&t->client)));
		break;
	case -ECONNRESET:
		t->facts->closed_first = FACTS_SIDE_CLIENT;
		tunnel_close(t, REASON_CLIENT_ABANDONED);
		break;
	case -ENOMEM:
		tunnel_close(t, REASON_NO_MEMORY);
		break;
	default:
		t->facts->closed_first = FACTS_SIDE_CLIENT;
		t->client.error = error;
		reason = tunnel_broken_reason(t, &t->client);
		tunnel_blame(t, reason, strerrordesc_np(-error));
		tunnel_close(t, reason);
	}
}

/* Like all that befalls a tunnel after its hello, a limit is told by a reset
 * once the handshake is done. */
static void
start_dial(struct tunnel *t)
{
	struct dial_order order = {
		.target = t->target,
		.rule = t->terms,
		.cb = dial_done,
		.arg = t,
	};

	enum reason reason = REASON_NONE;

	if (dial_asks(&t->all->dial, t->target, t->terms))
		reason = limits_lookup(
		    &t->all->limits, &t->facts->client, &order.account);
	if (reason == REASON_NONE &&
	    dial_start(&t->dial, &t->all->dial, &order) != 0)
		reason = REASON_NO_MEMORY;
	resolver_account_release(order.account);
	t->facts->reason = reason;
	if (reason != REASON_NONE && t->phase == PHASE_CONNECT)
		tunnel_close(t, reason);
}

static enum reason
keep_session(struct tunnel *t)
{
	const struct tls *tls = half_tls(&t->client);
	struct tunnel_facts *f = t->facts;
	const char *cipher = tls_cipher(tls);

	f->handshake_ns = clock_now() - f->accepted;
	f->tls_version = (uint16_t)tls_version(tls);
	f->resumed = tls_resumed(tls);
	return (tunnel_put(t, FACTS_CIPHER, cipher, strlen(cipher)) == 0
		    ? REASON_NONE
		    : REASON_NO_MEMORY);
}

static void
handshake_done(struct tunnel *t)
{
	enum reason reason = keep_session(t);

	stats_add(&t->all->slot->count[STAT_HANDSHAKES], 1);
	if (t->facts->resumed > 0)
		stats_add(&t->all->slot->count[STAT_RESUMED], 1);
	if (reason == REASON_NONE)
		reason = tunnel_decide_identity(t);
	if (reason != REASON_NONE || t->facts->reason != REASON_NONE) {
		tunnel_close(t, reason);
		return;
	}
	if (t->upstream.lfd.fd != -1) {
		tunnel_relay_start(t);
		return;
	}
	tunnel_enter(t, PHASE_CONNECT);
	tunnel_watch(t);
	if (t->dial == NULL)
		start_dial(t);
	/* epoll tells once of a reset that came with the last of the handshake,
	 * and has. */
	if (t->phase == PHASE_CONNECT)
		tunnel_connect_run(t);
}

void
tunnel_hello_start(struct tunnel *t)
{
	enum reason reason = limits_client(&t->all->limits, &t->facts->client);
	struct tls *tls = NULL;

	t->counted_client = reason == REASON_NONE;
	/* Not before: a client that is over its limits costs no session. */
	if (reason == REASON_NONE &&
	    tls_new(&tls, t->all->tls, t->client.lfd.fd, t) != 0)
		reason = REASON_NO_MEMORY;
	t->client.stream = tls;
	t->facts->silent = reason == REASON_NONE;
	if (reason != REASON_NONE)
		tunnel_close(t, reason);
	else
		tunnel_enter(t, PHASE_HELLO);
}

void
tunnel_handshake_run(struct tunnel *t)
{
	struct io io = tls_handshake(half_tls(&t->client), t->client.hangup);

	t->facts->silent = tls_silent(half_tls(&t->client));
	if (io.outcome == IO_CUT) {
		handshake_cut(t);
		return;
	}
	if (io.outcome == IO_BROKEN) {
		handshake_failed(t, io.error);
		return;
	}
	if (t->phase == PHASE_HELLO && t->facts->hello_ns >= 0) {
		/* The rest of the handshake and the dial run together, unless
		 * the client has yet to show who it is. */
		tunnel_enter(t, PHASE_HANDSHAKE);
		if (!t->undecided)
			start_dial(t);
	}
	if (io.outcome == IO_DONE)
		handshake_done(t);
	else if (io.outcome == IO_TURN)
		loop_defer(t->all->loop, &t->task);
}

/* Client data waits in the kernel; only a reset is of interest. */
void
tunnel_connect_run(struct tunnel *t)
{
	enum reason reason;
	bool gone = t->client.hangup || t->client.error != 0;

	if (gone && half_socket_error(&t->client) != 0) {
		t->facts->closed_first = FACTS_SIDE_CLIENT;
		reason = tunnel_broken_reason(t, &t->client);
		if (reason == REASON_CLIENT_RESET)
			reason = REASON_CLIENT_ABANDONED;
		tunnel_blame(t, reason, strerrordesc_np(-t->client.error));
		tunnel_close(t, reason);
	}
}
