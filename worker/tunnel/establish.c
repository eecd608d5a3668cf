#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/shm/stats.h"
#include "worker/dns/resolver.h"
#include "worker/tunnel/limits.h"
#include "worker/tunnel/state.h"

/* Keeps the dial's findings beyond its life. */
static void
keep_report(struct tunnel *t, const struct dial_report *r)
{
	size_t size = r->ntried * sizeof(*r->tried);

	t->dialled = *r;
	t->dialled.tried = NULL;
	t->dialled.ntried = 0;
	if (r->detail != NULL)
		t->dialled.detail = t->said = strdup(r->detail);
	if (size == 0)
		return;
	t->tried = malloc(size);
	if (t->tried == NULL)
		return;
	memcpy(t->tried, r->tried, size);
	t->dialled.tried = t->tried;
	t->dialled.ntried = r->ntried;
}

void
tunnel_give_up_dial(struct tunnel *t)
{
	struct dial_report r;

	if (t->dial == NULL)
		return;
	dial_progress(t->dial, &r);
	keep_report(t, &r);
	dial_free(t->dial);
	t->dial = NULL;
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

	keep_report(t, r);
	t->upstream.lfd.cb = upstream_cb;
	if (lfd != NULL)
		error = loop_move(
		    t->all->loop, lfd, &t->upstream.lfd, TUNNEL_EVENTS);
	/* The kernel told it once; read on, bytes may have come before. */
	t->upstream.error = r->error;
	dial_free(t->dial);
	t->dial = NULL;
	if (lfd == NULL || error != 0) {
		t->reason = error == -ENOMEM ? REASON_NO_MEMORY
			    : error != 0     ? REASON_INTERNAL
					     : r->reason;
		t->detail = error != 0 ? strerrordesc_np(-error) : t->said;
	}
	/*
	 * Whatever came of it, the handshake goes on to its end first: a
	 * refused handshake would be held against sniport itself.
	 */
	if (t->phase != PHASE_CONNECT)
		return;
	if (t->reason != REASON_NONE)
		tunnel_close(t, t->reason);
	else
		tunnel_relay_start(t);
}

static void
handshake_failed(struct tunnel *t, int error)
{
	switch (error) {
	case -EPROTO:
		t->lingers = tls_alerted(t->client.tls);
		tunnel_close(t, tls_failure(t->client.tls));
		break;
	case -EPIPE:
		t->lingers = true;
		/* FALLTHROUGH */
	case -ECONNRESET:
		t->closed_first = AUDIT_SIDE_CLIENT;
		tunnel_close(t, REASON_CLIENT_ABANDONED);
		break;
	case -ENOMEM:
		tunnel_close(t, REASON_NO_MEMORY);
		break;
	default:
		t->closed_first = AUDIT_SIDE_CLIENT;
		t->client.error = error;
		t->detail = strerrordesc_np(-error);
		tunnel_close(t, tunnel_broken_reason(t, &t->client));
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

	if (dial_asks(&t->all->dial, t->target, t->terms))
		t->reason = limits_lookup(
		    &t->all->limits, &t->client_addr, &order.account);
	if (t->reason == REASON_NONE &&
	    dial_start(&t->dial, &t->all->dial, &order) != 0)
		t->reason = REASON_NO_MEMORY;
	resolver_account_release(order.account);
	if (t->reason != REASON_NONE && t->phase == PHASE_CONNECT)
		tunnel_close(t, t->reason);
}

static void
handshake_done(struct tunnel *t)
{
	enum reason reason;

	t->handshake = clock_now() - t->accepted;
	t->tls_version = tls_version(t->client.tls);
	t->tls_cipher = tls_cipher(t->client.tls);
	t->resumed = tls_resumed(t->client.tls);
	stats_add(&t->all->slot->count[STAT_HANDSHAKES], 1);
	if (t->resumed)
		stats_add(&t->all->slot->count[STAT_RESUMED], 1);
	reason = tunnel_decide_identity(t);
	if (reason != REASON_NONE || t->reason != REASON_NONE) {
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
	enum reason reason = limits_client(&t->all->limits, &t->client_addr);

	t->counted_client = reason == REASON_NONE;
	/* Not before: a client that is over its limits costs no session. */
	if (reason == REASON_NONE &&
	    tls_new(&t->client.tls, t->all->tls, t->client.lfd.fd, t) != 0)
		reason = REASON_NO_MEMORY;
	t->silent = reason == REASON_NONE;
	if (reason != REASON_NONE)
		tunnel_close(t, reason);
	else
		tunnel_enter(t, PHASE_HELLO);
}

void
tunnel_handshake_run(struct tunnel *t)
{
	int error = tls_handshake(t->client.tls);

	t->silent = tls_silent(t->client.tls);
	if (error != 0 && error != -EAGAIN) {
		handshake_failed(t, error);
		return;
	}
	if (t->phase == PHASE_HELLO && t->hello >= 0) {
		/* The rest of the handshake and the dial run together, unless
		 * the client has yet to show who it is. */
		tunnel_enter(t, PHASE_HANDSHAKE);
		if (!t->undecided)
			start_dial(t);
	}
	if (error == 0)
		handshake_done(t);
	else if (!tls_drained(t->client.tls, t->client.hangup) &&
		 !tls_unsent(t->client.tls))
		loop_defer(t->all->loop, &t->task);
}

/* Client data waits in the kernel; only a reset is of interest. */
void
tunnel_connect_run(struct tunnel *t)
{
	enum reason reason;
	bool gone = t->client.hangup || t->client.error != 0;

	if (gone && half_socket_error(&t->client) != 0) {
		t->closed_first = AUDIT_SIDE_CLIENT;
		t->detail = strerrordesc_np(-t->client.error);
		reason = tunnel_broken_reason(t, &t->client);
		tunnel_close(t, reason == REASON_CLIENT_RESET
				    ? REASON_CLIENT_ABANDONED
				    : reason);
	}
}
