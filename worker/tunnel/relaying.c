#include <errno.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/shm/stats.h"
#include "worker/tunnel/relay.h"
#include "worker/tunnel/state.h"

/* What one tunnel may move in one go before others have their turn. */
#define BUDGET (256 * 1024)

/* How soon to look whether the last bytes before a reset have arrived; the
 * kernel has no event for it. */
#define FLUSH_POLL_FIRST (1 * CLOCK_MSEC)

bool
tunnel_half_closed(const struct tunnel *t)
{
	return (t->client.ended || t->upstream.ended);
}

/* Why a half broke, from what its socket or its protocol said. */
enum reason
tunnel_broken_reason(const struct tunnel *t, const struct half *h)
{
	bool client = h == &t->client;

	switch (h->error) {
	case -EPROTO:
		return (REASON_CLIENT_TLS);
	case -EOVERFLOW:
		return (REASON_TLS_RECORDS);
	case -EDQUOT:
		return (REASON_TLS_ANSWERS);
	case -ECONNABORTED:
		return (client ? REASON_CLIENT_CUT : REASON_UPSTREAM_RESET);
	case -ETIMEDOUT:
	/* What ICMP said before the kernel gave up. */
	case -EHOSTUNREACH:
	case -ENETUNREACH:
	case -EHOSTDOWN:
	case -ENONET:
	case -ENOPROTOOPT:
	case -ECONNREFUSED:
	case -EACCES:
		return (client ? REASON_CLIENT_LOST : REASON_UPSTREAM_LOST);
	case -ENOMEM:
	case -ENOBUFS:
		return (REASON_NO_MEMORY);
	default:
		return (client ? REASON_CLIENT_RESET : REASON_UPSTREAM_RESET);
	}
}

static void
note_first_close(struct tunnel *t)
{
	bool client = t->client.ended || t->client.error != 0;
	bool upstream = t->upstream.ended || t->upstream.error != 0;

	if (t->facts->closed_first != FACTS_SIDE_NONE || (!client && !upstream))
		return;
	/* That one side broke can be found by telling it the other's end. */
	if (upstream && !t->client.ended && t->upstream.ended)
		client = false;
	t->facts->closed_first =
	    client ? FACTS_SIDE_CLIENT : FACTS_SIDE_UPSTREAM;
}

/* What the system says of it, or the TLS library. */
static const char *
broken_detail(const struct tunnel *t, const struct half *broke)
{
	switch (broke->error) {
	case -EPROTO:
		return (tls_error(half_tls(&t->client)));
	/* Those are words of ours, for what TLS found. */
	case -EOVERFLOW:
	case -EDQUOT:
	case -ECONNABORTED:
		return (NULL);
	default:
		return (strerrordesc_np(-broke->error));
	}
}

/*
 * One side broke. What it sent before is still handed over, as a direct
 * connection would, then the other side sees a reset: never an end of stream,
 * which would make a cut look whole.
 */
static void
flush(struct tunnel *t, struct half *broke)
{
	note_first_close(t);
	tunnel_blame(
	    t, tunnel_broken_reason(t, broke), broken_detail(t, broke));
	t->broke = broke;
	t->active = t->flush_poll = tunnel_now(t);
	t->flush_left = half_unacknowledged(broke->peer);
	tunnel_enter(t, PHASE_FLUSH);
}

/* Was its connection reset or lost, whether or not a receive or a send would
 * tell: none is tried after the end of its stream, or while its peer does not
 * take what came before. */
static bool
dead(struct half *h)
{
	return (h->failed && !(h->ended && half_answered(h)) &&
		half_socket_error(h) != 0);
}

/* How both streams ended. */
static enum reason
whole(const struct tunnel *t)
{
	return (t->client.truncated ? REASON_CLIENT_TRUNCATED : REASON_DONE);
}

void
tunnel_flush_run(struct tunnel *t)
{
	struct half *src = t->broke, *dst = src->peer;
	struct relay_work work = { .budget = BUDGET };
	uint64_t before = src->delivered;
	enum relay_result result;

	/* Bytes that arrived before a TLS fault are good, none after it are. */
	src->readable = src->readable || !src->ended;
	result = relay_pump(src, &work);
	tunnel_note_moved(t);
	if (src->delivered != before)
		t->active = tunnel_now(t);
	if (src->ended && dst->finished) {
		/* What broke behind its end only answered our own. */
		if (half_answered(src)) {
			t->facts->reason = whole(t);
			(void)tunnel_put(t, FACTS_DETAIL, NULL, FACTS_NO_WORD);
		}
		result = RELAY_BROKEN;
	}
	if (result == RELAY_MORE)
		loop_defer(t->all->loop, &t->task);
	else if (result != RELAY_WAIT && (dst->error != 0 || dead(dst) ||
					     half_unacknowledged(dst) == 0))
		tunnel_close(t, t->facts->reason);
}

/* Looks again, ever less often, until nothing was taken for
 * timeouts.shutdown: who reads slowly gets all. */
void
tunnel_flush_expire(struct tunnel *t)
{
	size_t left = half_unacknowledged(t->broke->peer);
	int64_t passed;

	if (left != t->flush_left)
		t->active = tunnel_now(t);
	t->flush_left = left;
	passed = tunnel_now(t) - t->active;
	if (passed >= tunnel_timeouts(t)->shutdown) {
		tunnel_close(t, t->facts->reason);
		return;
	}
	t->flush_poll = tunnel_now(t) + passed + FLUSH_POLL_FIRST;
	if (t->flush_poll > t->active + tunnel_timeouts(t)->shutdown)
		t->flush_poll = t->active + tunnel_timeouts(t)->shutdown;
	tunnel_arm(t);
	tunnel_flush_run(t);
}

void
tunnel_watch(struct tunnel *t)
{
	if (t->look != CLOCK_NEVER)
		return;
	t->look = tunnel_now(t) + silence_first(tunnel_timeouts(t)->lost);
	tunnel_arm(t);
}

bool
tunnel_look(struct tunnel *t)
{
	int64_t now = tunnel_now(t), limit = tunnel_timeouts(t)->lost;
	bool client, upstream;

	if (now < t->look)
		return (false);
	t->look = CLOCK_NEVER;
	client = half_lost(&t->client, now, limit, &t->look);
	upstream = half_lost(&t->upstream, now, limit, &t->look);
	if (!client && !upstream)
		return (false);
	if (t->phase == PHASE_CONNECT) {
		tunnel_connect_run(t);
		return (true);
	}
	flush(t, client ? &t->client : &t->upstream);
	tunnel_flush_run(t);
	return (true);
}

/* Runs one direction. True: the tunnel goes on as it is. */
static bool
pump(struct tunnel *t, struct half *src, struct relay_work *work)
{
	enum relay_result result = relay_pump(src, work);

	tunnel_note_moved(t);
	switch (result) {
	case RELAY_WAIT:
		return (true);
	case RELAY_MORE:
		loop_defer(t->all->loop, &t->task);
		return (true);
	case RELAY_NO_MEMORY:
		tunnel_close(t, REASON_NO_MEMORY);
		return (false);
	case RELAY_BROKEN:
		break;
	}
	flush(t, src->error != 0 ? src : src->peer);
	tunnel_flush_run(t);
	return (false);
}

void
tunnel_relay_run(struct tunnel *t)
{
	uint64_t before = t->client.delivered + t->upstream.delivered;
	bool was_half_closed = tunnel_half_closed(t);
	bool had_finished = t->client.finished || t->upstream.finished;
	struct relay_work there = { .budget = BUDGET }, back = there;

	if (!pump(t, &t->client, &there) || !pump(t, &t->upstream, &back))
		return;
	if (dead(&t->client) || dead(&t->upstream)) {
		flush(t, t->client.error != 0 ? &t->client : &t->upstream);
		tunnel_flush_run(t);
		return;
	}
	note_first_close(t);
	if (there.arrived + back.arrived > 0 ||
	    before != t->client.delivered + t->upstream.delivered)
		t->active = tunnel_now(t);
	else if (there.budget != BUDGET)
		t->answered = clock_now();
	if (there.budget != BUDGET || back.budget != BUDGET ||
	    before != t->client.delivered + t->upstream.delivered)
		tunnel_watch(t);
	if (!had_finished && (t->client.finished || t->upstream.finished))
		tunnel_watch(t);
	if (t->client.finished && t->upstream.finished) {
		tunnel_close(t, whole(t));
	} else if (tunnel_half_closed(t) && !was_half_closed) {
		/* Or else a tunnel that was idle before had no time left. */
		t->active = tunnel_now(t);
		tunnel_arm(t);
	}
}

void
tunnel_relay_start(struct tunnel *t)
{
	stats_add(&t->all->slot->count[STAT_ESTABLISHED], 1);
	if (t->all->boot->conf->log.access_connect)
		tunnel_audit_connect(t);
	if (tunnel_proxy_preface(t) != 0) {
		tunnel_close(t, REASON_NO_MEMORY);
		return;
	}
	t->active = tunnel_now(t);
	tunnel_watch(t);
	tunnel_enter(t, PHASE_RELAY);
	/* Edges that came before are gone: try both. */
	t->client.readable = t->client.writable = true;
	t->upstream.readable = t->upstream.writable = true;
	tunnel_relay_run(t);
}
