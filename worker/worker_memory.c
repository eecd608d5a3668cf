/* How a worker gives back to the kernel what a burst of tunnels took. */
#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "common/shm/stats.h"
#include "common/shm/table.h"
#include "worker/worker_state.h"

static struct memory_use
in_use(const struct worker *w)
{
	return ((struct memory_use){
	    .tunnels = w->tunnels.count, .lent = w->tunnels.buffers.nlent });
}

static void
give_back_cb(struct timer *t)
{
	struct worker *w = container_of(t, struct worker, give_back);
	int64_t now = loop_now(w->loop);
	struct memory_use use = in_use(w);
	enum memory_step step = memory_turn(&w->memory, &use, now);
	size_t unused;

	if (step == MEMORY_COLLECT) {
		buffers_trim(&w->tunnels.buffers);
		table_trim(w->table);
		alloc_collect();
	}
	alloc_step();
	if (step != MEMORY_PIECE) {
		unused = alloc_unused();
		if (!memory_goes_on(&w->memory, unused, now)) {
			if (unused > 0 && unused <= ALLOC_PIECE)
				alloc_trim();
			return;
		}
	}
	timer_arm(loop_timers(w->loop), t, now + MEMORY_INTERVAL);
}

static void
give_back(struct worker *w)
{
	timer_arm(loop_timers(w->loop), &w->give_back, loop_now(w->loop));
}

void
worker_memory_start(struct worker *w)
{
	alloc_set_pieces();
	timer_init(&w->give_back, give_back_cb);
}

/* No more memory may be taken: what is free is of use elsewhere. */
static void
give_back_now(struct worker *w)
{
	int64_t now = loop_now(w->loop);

	if (now < w->trim_at)
		return;
	buffers_trim(&w->tunnels.buffers);
	table_trim(w->table);
	alloc_trim();
	w->trim_at = now + CLOCK_SEC;
}

void
worker_memory_note(struct worker *w)
{
	struct memory_use use = in_use(w);

	if (limits_note_memory(&w->tunnels.limits))
		give_back_now(w);
	if (memory_note(&w->memory, &use))
		give_back(w);
}

void
worker_memory_look(struct worker *w)
{
	uint64_t accepted = atomic_load_explicit(
	    &w->slot->count[STAT_ACCEPTED], memory_order_relaxed);

	if (memory_look(&w->memory, accepted + w->tunnels.count))
		give_back(w);
}
