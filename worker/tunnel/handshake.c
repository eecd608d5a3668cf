/* The phases of the handshake: until the ClientHello is there, and behind it,
 * with the dial under way. */
#include <errno.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/shm/stats.h"
#include "worker/tunnel/limits.h"
#include "worker/tunnel/state.h"

static const struct tunnel_state hello, handshake;

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
	if (t->upstream.lfd.fd != -1)
		tunnel_relay(t);
	else
		tunnel_connect(t);
}

static void
run(struct tunnel *t)
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
	if (t->state == &hello && t->facts->hello_ns >= 0) {
		/* The rest of the handshake and the dial run together, unless
		 * the client has yet to show who it is. */
		tunnel_enter(t, &handshake);
		if (!t->undecided)
			tunnel_dial(t);
	}
	if (io.outcome == IO_DONE)
		handshake_done(t);
	else if (io.outcome == IO_TURN)
		loop_defer(t->all->loop, &t->task);
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

static const struct tunnel_state hello = {
	.run = run,
	.deadline = hello_deadline,
	.expire = hello_expire,
	.slow = true,
};

static const struct tunnel_state handshake = {
	.run = run,
	.deadline = handshake_deadline,
	.expire = handshake_expire,
	.slow = true,
};

bool
tunnel_hello(struct tunnel *t)
{
	enum reason reason =
	    limits_client(&t->all->limits, &t->held, &t->facts->client);
	struct tls *tls = NULL;

	/* Not before: a client that is over its limits costs no session. */
	if (reason == REASON_NONE &&
	    tls_new(&tls, t->all->tls, t->client.lfd.fd, t) != 0)
		reason = REASON_NO_MEMORY;
	t->client.stream = tls;
	t->facts->silent = reason == REASON_NONE;
	if (reason != REASON_NONE)
		tunnel_close(t, reason);
	else
		tunnel_enter(t, &hello);
	return (reason == REASON_NONE);
}
