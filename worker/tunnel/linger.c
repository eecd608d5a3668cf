/*
 * The last phase: a tunnel is over, and its memory goes; but a client that is
 * to see an alert, or an end, has time to.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "common/shm/stats.h"
#include "common/shm/table.h"
#include "worker/tunnel/limits.h"
#include "worker/tunnel/state.h"

/* What a refused client may still send before its socket is just closed. */
#define LINGER_BYTES (1024 * 1024)
#define LINGER_CHUNK 4096

static void
garbage_free(struct loop_garbage *g)
{
	struct tunnel *t = container_of(g, struct tunnel, garbage);

	free(t->target);
	free(t);
}

static const struct tunnel_state lingering;

bool
tunnel_lingers(const struct tunnel *t)
{
	return (t->state == &lingering);
}

/* The sockets are closed; the memory outlives this turn. */
void
tunnel_bury(struct tunnel *t)
{
	struct tunnels *all = t->all;

	if (tunnel_lingers(t))
		all->lingering--;
	t->state = NULL;
	timer_cancel(loop_timers(all->loop), &t->timer);
	loop_undefer(all->loop, &t->task);
	limits_release(&all->limits, &t->held);
	TAILQ_REMOVE(&all->list, t, entry);
	all->count--;
	atomic_store_explicit(
	    &all->slot->tunnels, all->count, memory_order_relaxed);
	table_release(all->table, t->facts);
	t->facts = NULL;
	t->garbage.free = garbage_free;
	loop_free_later(all->loop, &t->garbage);
	all->closed(all->arg);
}

/* Throws away what a refused client still sends, so that its own unread
 * bytes do not turn our close into a reset. */
static void
run(struct tunnel *t)
{
	uint8_t waste[LINGER_CHUNK];
	ssize_t n;

	if (!t->client.readable)
		return;
	while (t->lingered < LINGER_BYTES) {
		n = recv(t->client.lfd.fd, waste, sizeof(waste), 0);
		if (n == -1 && errno == EAGAIN) {
			t->client.readable = false;
			return;
		}
		if (n <= 0)
			break;
		t->lingered += (size_t)n;
	}
	half_close(&t->client, false);
	tunnel_bury(t);
}

static int64_t
deadline(const struct tunnel *t)
{
	return (t->state_since + tunnel_timeouts(t)->shutdown);
}

static void
expire(struct tunnel *t)
{
	half_close(&t->client, false);
	tunnel_bury(t);
}

static const struct tunnel_state lingering = {
	.run = run,
	.deadline = deadline,
	.expire = expire,
};

void
tunnel_linger(struct tunnel *t)
{
	/* The client sees the alert, then the end; if it is gone, so be it. */
	(void)shutdown(t->client.lfd.fd, SHUT_WR);
	tunnel_enter(t, &lingering);
	t->all->lingering++;
	if (t->client.readable)
		loop_defer(t->all->loop, &t->task);
}
