/* The phase in which a client waits for its upstream; and the dial, which may
 * have begun before. */
#include <errno.h>
#include <string.h>

#include "worker/dns/resolver.h"
#include "worker/tunnel/limits.h"
#include "worker/tunnel/state.h"

static void
upstream_cb(struct loop_fd *lfd, uint32_t events)
{
	struct half *h = container_of(lfd, struct half, lfd);
	struct tunnel *t = container_of(h, struct tunnel, upstream);

	half_event(h, events);
	if (!tunnel_waits(t) && t->state->upstream)
		tunnel_run(t);
}

static const struct tunnel_state connecting;

static void
dial_tried(void *arg, size_t place, const struct facts_try *try)
{
	tunnel_note_try(arg, place, try);
}

static void
dial_done(void *arg, const struct dial_report *r, struct loop_fd *lfd)
{
	struct tunnel *t = arg;

	t->upstream.lfd.cb = upstream_cb;
	if (lfd != NULL) {
		loop_move(t->all->loop, lfd, &t->upstream.lfd);
		half_event(&t->upstream, r->events);
	}
	/* The kernel told it once; read on, bytes may have come before. */
	t->upstream.error = r->error;
	if (lfd == NULL)
		tunnel_blame(t, r->reason, r->detail);
	tunnel_end_dial(t, r);
	/*
	 * Whatever came of it, the handshake goes on to its end first: a
	 * refused handshake would be held against sniport itself.
	 */
	if (t->state != &connecting)
		return;
	if (t->facts->reason != REASON_NONE)
		tunnel_close(t, t->facts->reason);
	else
		tunnel_relay(t);
}

/* Like all that befalls a tunnel after its hello, a limit is told by a reset
 * once the handshake is done. */
void
tunnel_dial(struct tunnel *t)
{
	struct dial_request request = {
		.target = t->target,
		.rule = t->terms,
		.client = limits_peer(&t->all->limits, &t->facts->client),
		.cb = dial_done,
		.try_cb = dial_tried,
		.arg = t,
	};
	enum reason reason = REASON_NONE;

	if (dial_asks(&t->all->dial, t->target, t->terms))
		reason = limits_lookup(
		    &t->all->limits, &t->facts->client, &request.account);
	else
		request.account =
		    limits_uncounted(&t->all->limits, &t->facts->client);
	if (reason == REASON_NONE &&
	    dial_start(&t->dial, &t->all->dial, &request) != 0)
		reason = REASON_NO_MEMORY;
	resolver_account_release(request.account);
	t->facts->reason = reason;
	if (reason != REASON_NONE && t->state == &connecting)
		tunnel_close(t, reason);
}

/* Client data waits in the kernel; only a reset is of interest. */
static void
run(struct tunnel *t)
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

/* The dial has a deadline of its own. */
static int64_t
deadline(const struct tunnel *t)
{
	return (t->look);
}

static void
expire(struct tunnel *t)
{
	if (tunnel_look(t) != NULL)
		run(t);
	else
		tunnel_arm(t);
}

static const struct tunnel_state connecting = {
	.run = run,
	.deadline = deadline,
	.expire = expire,
};

void
tunnel_connect(struct tunnel *t)
{
	tunnel_enter(t, &connecting);
	tunnel_watch(t);
	if (t->dial == NULL)
		tunnel_dial(t);
	/* epoll tells once of a reset that came with the last of the handshake,
	 * and has. */
	if (t->state == &connecting)
		run(t);
}
