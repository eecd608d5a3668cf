/* Whether what was sent arrives, or a side is lost. */
#include "common/base/clock.h"
#include "worker/tunnel/state.h"

/* The kernel counts in jiffies, and may have sent a little later. */
#define SENT_SLACK (20 * CLOCK_MSEC)

/* What the kernel was given moves on without us, to one who reads slowly. But
 * an answer to a record without data is not a byte of the tunnel. */
void
tunnel_note_sent(struct tunnel *t)
{
	int64_t client = tunnel_now(t) - half_last_sent(&t->client);
	int64_t upstream = tunnel_now(t) - half_last_sent(&t->upstream);

	if (client > t->active && client > t->answered + SENT_SLACK)
		t->active = client;
	if (upstream > t->active)
		t->active = upstream;
}

void
tunnel_watch(struct tunnel *t)
{
	if (t->look != CLOCK_NEVER)
		return;
	t->look = tunnel_now(t) + silence_first(tunnel_timeouts(t)->lost);
	tunnel_arm(t);
}

struct half *
tunnel_look(struct tunnel *t)
{
	int64_t now = tunnel_now(t), limit = tunnel_timeouts(t)->lost;
	bool client, upstream;

	if (now < t->look)
		return (NULL);
	t->look = CLOCK_NEVER;
	/* The client's socket has it from its listener. */
	half_keep_alive(&t->upstream, limit);
	client = half_lost(&t->client, now, limit, &t->look);
	upstream = half_lost(&t->upstream, now, limit, &t->look);
	if (client)
		return (&t->client);
	return (upstream ? &t->upstream : NULL);
}
