/* The phase in which both sides are there, and bytes go either way. */
#include "common/base/clock.h"
#include "common/shm/stats.h"
#include "worker/tunnel/state.h"

static bool
half_closed(const struct tunnel *t)
{
	return (t->client.ended || t->upstream.ended);
}

/* Runs one direction. True: the tunnel goes on as it is. */
static bool
pump(struct tunnel *t, struct half *src, struct relay_work *work)
{
	enum relay_result result = relay_pump(src, work);

	t->facts->client_truncated = t->client.truncated;
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
	tunnel_flush(t, src->error != 0 ? src : src->peer);
	return (false);
}

/*
 * Have both streams ended, and was all acknowledged? What the kernel was given
 * can still be lost; until then the limits of a tunnel that is half closed
 * hold.
 */
static bool
is_over(struct tunnel *t)
{
	return (t->client.finished && t->upstream.finished &&
		half_settled(&t->client) && half_settled(&t->upstream));
}

static void
run(struct tunnel *t)
{
	uint64_t before = t->client.delivered + t->upstream.delivered;
	bool was_half_closed = half_closed(t);
	bool had_finished = t->client.finished || t->upstream.finished;
	struct relay_work there = tunnel_work(t, &t->client);
	struct relay_work back = tunnel_work(t, &t->upstream);

	if (!pump(t, &t->client, &there) || !pump(t, &t->upstream, &back))
		return;
	if (tunnel_dead(&t->client) || tunnel_dead(&t->upstream)) {
		tunnel_flush(
		    t, t->client.error != 0 ? &t->client : &t->upstream);
		return;
	}
	tunnel_note_first_close(t);
	if (there.arrived + back.arrived > 0 ||
	    before != t->client.delivered + t->upstream.delivered)
		t->active = tunnel_now(t);
	else if (there.budget != TUNNEL_BUDGET)
		t->answered = clock_now();
	if (there.budget != TUNNEL_BUDGET || back.budget != TUNNEL_BUDGET ||
	    before != t->client.delivered + t->upstream.delivered)
		tunnel_watch(t);
	if (!had_finished && (t->client.finished || t->upstream.finished))
		tunnel_watch(t);
	if (half_closed(t) && !was_half_closed) {
		/* Or else a tunnel that was idle before had no time left. */
		t->active = tunnel_now(t);
		tunnel_arm(t);
	}
	if (is_over(t))
		tunnel_close(t, tunnel_whole(t));
}

/* How long nothing may move, 0: for ever; and why it ends then. */
static int64_t
limit_of(const struct tunnel *t, enum reason *reason)
{
	int64_t half_close = tunnel_timeouts(t)->half_close;
	int64_t idle = tunnel_timeouts(t)->idle;

	if (t->terms->idle_timeout >= 0)
		idle = t->terms->idle_timeout;
	*reason = REASON_IDLE_TIMEOUT;
	if (!half_closed(t) || (idle != 0 && idle < half_close))
		return (idle);
	*reason = REASON_HALF_CLOSE_TIMEOUT;
	return (half_close);
}

static int64_t
deadline(const struct tunnel *t)
{
	enum reason reason;
	int64_t limit = limit_of(t, &reason);

	if (limit == 0 || t->active + limit > t->look)
		return (t->look);
	return (t->active + limit);
}

static void
expire(struct tunnel *t)
{
	struct half *lost = tunnel_look(t);
	enum reason reason;

	if (lost != NULL) {
		tunnel_flush(t, lost);
		return;
	}
	tunnel_note_sent(t);
	(void)limit_of(t, &reason);
	if (tunnel_now(t) < deadline(t))
		tunnel_arm(t);
	else
		tunnel_close(t, reason);
}

static const struct tunnel_state relaying = {
	.run = run,
	.deadline = deadline,
	.expire = expire,
	.upstream = true,
};

void
tunnel_relay(struct tunnel *t)
{
	t->established = true;
	stats_add(&t->all->slot->count[STAT_ESTABLISHED], 1);
	if (t->all->boot->conf->log.access_connect)
		tunnel_audit_connect(t);
	if (tunnel_preface(t) != 0) {
		tunnel_close(t, REASON_NO_MEMORY);
		return;
	}
	t->active = tunnel_now(t);
	tunnel_watch(t);
	tunnel_enter(t, &relaying);
	t->client.writable = t->upstream.writable = true;
	run(t);
}
