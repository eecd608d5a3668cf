/* The phases of the handshake: until the ClientHello is there, and behind it,
 * with the dial under way. */
#include <errno.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/shm/stats.h"
#include "worker/tls/handshake.h"
#include "worker/tls/stream.h"
#include "worker/tunnel/limits.h"
#include "worker/tunnel/state.h"

static const struct tunnel_state hello, handshake;

static enum tls_alert
alert_for(enum reason reason)
{
	switch (reason) {
	case REASON_NONE:
		return (TLS_ALERT_NONE);
	case REASON_SNI_MALFORMED:
		return (TLS_ALERT_DECODE_ERROR);
	case REASON_SNI_CHANGED:
		return (TLS_ALERT_ILLEGAL_PARAMETER);
	case REASON_NO_RULE:
	case REASON_RULE_DENY:
	case REASON_LIMIT_RULE:
		return (TLS_ALERT_ACCESS_DENIED);
	case REASON_NO_MEMORY:
	case REASON_LIMIT_MEMORY:
		return (TLS_ALERT_INTERNAL_ERROR);
	default:
		return (TLS_ALERT_UNRECOGNIZED_NAME);
	}
}

enum tls_alert
tunnel_hello_cb(void *arg, const uint8_t *name, size_t len, enum reason *reason)
{
	struct tunnel *t = arg;

	t->facts->hello_ns = clock_now() - t->facts->accepted;
	*reason = tunnel_decide(t, name, len, *reason);
	/* It may have waited for long since it was let in. */
	if (*reason == REASON_NONE && !limits_memory(&t->all->limits))
		*reason = REASON_LIMIT_MEMORY;
	t->facts->reason = *reason;
	return (alert_for(*reason));
}

/* The client ended its stream. */
static void
handshake_cut(struct tunnel *t)
{
	t->lingers = true;
	t->facts->closed_first = FACTS_SIDE_CLIENT;
	tunnel_close(t, REASON_CLIENT_ABANDONED);
}

/* Does the TLS library know more about it than we? */
static bool
tls_fault(enum reason reason)
{
	return (reason == REASON_TLS_HANDSHAKE ||
		reason == REASON_CLIENT_CERTIFICATE ||
		reason == REASON_TLS_VERSION);
}

static void
handshake_failed(struct tunnel *t, const struct io *io)
{
	enum reason reason;

	switch (io->error) {
	case -EPROTO:
		t->lingers = tls_handshake_alerted(t->handshake);
		if (tls_handshake_drained(t->handshake, t->client.hangup))
			t->client.readable = false;
		if (tls_handshake_left(t->handshake))
			t->facts->closed_first = FACTS_SIDE_CLIENT;
		reason = tls_handshake_failure(t->handshake);
		tunnel_blame(t, reason, tls_fault(reason) ? io->why : NULL);
		tunnel_close(t, reason);
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
		t->client.error = io->error;
		reason = tunnel_broken_reason(t, &t->client);
		tunnel_blame(t, reason, strerrordesc_np(-io->error));
		tunnel_close(t, reason);
	}
}

/* Who the client is, where that is asked. */
static enum reason
learn_identity(struct tunnel *t)
{
	const struct identity *names;
	const char *why;
	size_t n;
	int error;

	if (!tunnel_asks_identity(t))
		return (REASON_NONE);
	error = tls_handshake_identities(t->handshake, &names, &n, &why);
	if (error == -ENOMEM)
		return (REASON_NO_MEMORY);
	if (error != 0) {
		tunnel_blame(t, REASON_CLIENT_CERTIFICATE, why);
		return (REASON_CLIENT_CERTIFICATE);
	}
	t->verified = tls_handshake_verified(t->handshake);
	return (tunnel_decide_identity(t, names, n));
}

static enum reason
keep_session(struct tunnel *t)
{
	const char *cipher = tls_handshake_cipher(t->handshake);
	struct tunnel_facts *f = t->facts;

	f->handshake_ns = clock_now() - f->accepted;
	f->tls_version = (uint16_t)tls_handshake_version(t->handshake);
	f->resumed = tls_handshake_resumed(t->handshake);
	return (tunnel_put(t, FACTS_CIPHER, cipher, strlen(cipher)) == 0
		    ? REASON_NONE
		    : REASON_NO_MEMORY);
}

/* What goes on is the stream. */
static void
handshake_done(struct tunnel *t)
{
	enum reason reason = keep_session(t);

	stats_add(&t->all->slot->count[STAT_HANDSHAKES], 1);
	timings_add(t->all->slot, TIMING_HANDSHAKE, t->facts->handshake_ns);
	if (t->facts->resumed > 0)
		stats_add(&t->all->slot->count[STAT_RESUMED], 1);
	if (reason == REASON_NONE)
		reason = learn_identity(t);
	t->client.stream = tls_handshake_take(t->handshake);
	t->handshake = NULL;
	tunnel_end_turns(t);
	limits_handshaken(&t->all->limits, &t->held);
	/* Or else what was told of its socket is yet to be looked at. */
	if (tls_drained(t->client.stream, t->client.hangup))
		t->client.readable = false;
	if (reason != REASON_NONE || t->facts->reason != REASON_NONE)
		tunnel_close(t, reason);
	else if (t->upstream.lfd.fd != -1)
		tunnel_relay(t);
	else
		tunnel_connect(t);
}

static void
run(struct tunnel *t)
{
	struct io io;

	/* Is there what it waits for? */
	if (!t->client.readable && !(t->stuck && t->client.writable))
		return;
	io = tls_handshake_run(t->handshake, t->client.hangup);
	t->stuck = io.outcome == IO_WAIT_WRITE;
	if (t->stuck)
		t->client.writable = false;
	if (io.outcome == IO_WAIT_READ)
		t->client.readable = false;
	t->facts->silent = tls_handshake_silent(t->handshake);
	if (io.outcome == IO_CUT) {
		handshake_cut(t);
		return;
	}
	if (io.outcome == IO_BROKEN) {
		handshake_failed(t, &io);
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
		tunnel_wait_turn(t);
}

/* Time is over; but if it waits for its turn, who is to blame for that? */
static void
expire(struct tunnel *t, enum reason reason)
{
	tunnel_close(t, tunnel_in_turn(t) ? REASON_OVERLOAD : reason);
}

static int64_t
hello_deadline(const struct tunnel *t)
{
	return (t->facts->accepted + tunnel_timeouts(t)->client_hello);
}

static void
hello_expire(struct tunnel *t)
{
	expire(t, REASON_CLIENT_HELLO_TIMEOUT);
}

static int64_t
handshake_deadline(const struct tunnel *t)
{
	return (t->facts->accepted + tunnel_timeouts(t)->handshake);
}

static void
handshake_expire(struct tunnel *t)
{
	expire(t, REASON_HANDSHAKE_TIMEOUT);
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
	.begun = true,
};

bool
tunnel_hello(struct tunnel *t)
{
	enum reason reason =
	    limits_client(&t->all->limits, &t->held, &t->facts->client);

	/* Not before: a client that is over its limits costs no handshake. */
	if (reason == REASON_NONE && tls_handshake_new(&t->handshake,
					 t->all->tls, t->client.lfd.fd, t) != 0)
		reason = REASON_NO_MEMORY;
	t->facts->silent = reason == REASON_NONE;
	if (reason != REASON_NONE)
		tunnel_close(t, reason);
	else
		tunnel_enter(t, &hello);
	return (reason == REASON_NONE);
}
