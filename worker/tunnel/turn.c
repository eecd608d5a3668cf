/* A handshake is long work: when there is something to do for it, it waits for
 * its turn among those of all clients. */
#include <errno.h>
#include <stdlib.h>

#include "common/base/clock.h"
#include "worker/tunnel/limits.h"
#include "worker/tunnel/state.h"

static struct tunnel *
tunnel_of(struct turn *turn)
{
	return (container_of(turn, struct tunnel_turn, turn)->tunnel);
}

/* One turn: who has waited for too long learns that it is in vain. */
static bool
work_cb(struct loop_work *work)
{
	struct tunnels *all = container_of(work, struct tunnels, work);
	int64_t now = clock_now();
	struct turn *turn = turns_give_up(&all->turns, now);

	if (turn != NULL)
		tunnel_close(tunnel_of(turn), REASON_OVERLOAD);
	else if ((turn = turns_next(&all->turns, now)) != NULL)
		tunnel_run(tunnel_of(turn));
	return (turns_any(&all->turns));
}

void
tunnel_turns_init(struct tunnels *all)
{
	all->work.cb = work_cb;
	turns_init(&all->turns, all->boot->conf->timeouts.turn);
}

static int
begin_turns(struct tunnel *t)
{
	struct tunnels *all = t->all;
	uint64_t client = limits_peer(&all->limits, &t->facts->client);

	t->turn = calloc(1, sizeof(*t->turn));
	if (t->turn == NULL)
		return (-ENOMEM);
	t->turn->tunnel = t;
	return (turns_join(&all->turns, &t->turn->turn, client));
}

void
tunnel_wait_turn(struct tunnel *t)
{
	struct tunnels *all = t->all;

	if (t->turn == NULL && begin_turns(t) != 0) {
		tunnel_close(t, REASON_NO_MEMORY);
		return;
	}
	turns_wait(&all->turns, &t->turn->turn, t->state->begun, tunnel_now(t));
	loop_work(all->loop, &all->work);
}

void
tunnel_heard(struct tunnel *t)
{
	/* Who has left costs little, and its place is of use to others. */
	if (t->client.hangup && !t->state->begun)
		tunnel_run(t);
	else
		tunnel_wait_turn(t);
}
