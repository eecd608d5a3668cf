/*
 * The phase after a side broke: what it sent before is still handed over, as a
 * direct connection would, then the other side sees a reset: never an end of
 * stream, which would make a cut look whole.
 */
#include "common/base/clock.h"
#include "worker/tunnel/state.h"

/* How soon to look whether the last bytes before a reset have arrived; the
 * kernel has no event for it. */
#define POLL_FIRST (1 * CLOCK_MSEC)

bool
tunnel_dead(struct half *h)
{
	return (h->failed && !(h->ended && half_answered(h)) &&
		half_socket_error(h) != 0);
}

enum reason
tunnel_whole(const struct tunnel *t)
{
	return (t->client.truncated ? REASON_CLIENT_TRUNCATED : REASON_DONE);
}

static void
run(struct tunnel *t)
{
	struct half *src = t->broke, *dst = src->peer;
	struct relay_work work = tunnel_work(t, src);
	uint64_t before = src->delivered;
	enum relay_result result;

	/* Bytes that arrived before a TLS fault are good, none after it are. */
	src->readable = src->readable || !src->ended;
	result = relay_pump(src, &work);
	t->facts->client_truncated = t->client.truncated;
	if (src->delivered != before)
		t->active = tunnel_now(t);
	if (src->ended && dst->finished) {
		/* What broke behind its end only answered our own. */
		if (half_answered(src)) {
			t->facts->reason = tunnel_whole(t);
			(void)tunnel_put(t, FACTS_DETAIL, NULL, FACTS_NO_WORD);
		}
		result = RELAY_BROKEN;
	}
	if (result == RELAY_MORE)
		loop_defer(t->all->loop, &t->task);
	else if (result != RELAY_WAIT && (dst->error != 0 || tunnel_dead(dst) ||
					     half_unacknowledged(dst) == 0))
		tunnel_close(t, t->facts->reason);
}

static int64_t
deadline(const struct tunnel *t)
{
	return (t->flush_poll);
}

/* Looks again, ever less often, until nothing was taken for
 * timeouts.shutdown: who reads slowly gets all. */
static void
expire(struct tunnel *t)
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
	t->flush_poll = tunnel_now(t) + passed + POLL_FIRST;
	if (t->flush_poll > t->active + tunnel_timeouts(t)->shutdown)
		t->flush_poll = t->active + tunnel_timeouts(t)->shutdown;
	tunnel_arm(t);
	run(t);
}

static const struct tunnel_state flushing = {
	.run = run,
	.deadline = deadline,
	.expire = expire,
	.upstream = true,
};

void
tunnel_flush(struct tunnel *t, struct half *broke)
{
	tunnel_note_first_close(t);
	tunnel_blame(
	    t, tunnel_broken_reason(t, broke), tunnel_broken_detail(broke));
	t->broke = broke;
	t->active = t->flush_poll = tunnel_now(t);
	t->flush_left = half_unacknowledged(broke->peer);
	tunnel_enter(t, &flushing);
	run(t);
}
