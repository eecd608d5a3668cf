/*
 * jemalloc (5.3) keeps what was freed for what comes next, and gives it back
 * only as it is used itself. So a worker asks for it when a burst is over; not
 * only when it is idle, or a few connections a second would put it off for
 * ever. And it asks for a little at a time: to give back the memory of 9,500
 * tunnels takes tens of milliseconds.
 */
#include "worker/memory.h"

#include "common/base/alloc.h"

/* Fewer are not worth it. */
#define FALL_MIN 64

/* While memory goes back tunnels may go on ending. */
#define CHECK_INTERVAL CLOCK_SEC

/* From when memory was collected until all of it is back. */
#define GIVING_TIME (ALLOC_DECAY_MS * CLOCK_MSEC + CLOCK_SEC / 2)

static void
note(uint64_t *most, uint64_t n)
{
	if (n > *most)
		*most = n;
}

static bool
has_fallen(uint64_t most, uint64_t n)
{
	return (most - n >= FALL_MIN);
}

static bool
is_over(uint64_t most, uint64_t n)
{
	return (has_fallen(most, n) && most - n >= most / 4);
}

static bool
begin(struct memory *m)
{
	bool begins = !m->giving;

	m->asked = m->giving = true;
	return (begins);
}

bool
memory_note(struct memory *m, const struct memory_use *use)
{
	note(&m->most.tunnels, use->tunnels);
	note(&m->most.lent, use->lent);
	return (!m->giving &&
		(is_over(m->most.tunnels, use->tunnels) ||
		    is_over(m->most.lent, use->lent)) &&
		begin(m));
}

bool
memory_look(struct memory *m, uint64_t work)
{
	bool idle = work == m->work, turned = idle && !m->idle;

	m->work = work;
	m->idle = idle;
	return (turned && begin(m));
}

enum memory_step
memory_turn(struct memory *m, const struct memory_use *use, int64_t now)
{
	if (!m->asked && now < m->look_at)
		return (MEMORY_PIECE);
	m->look_at = now + CHECK_INTERVAL;
	if (!m->asked && !has_fallen(m->most.tunnels, use->tunnels) &&
	    !has_fallen(m->most.lent, use->lent))
		return (MEMORY_CHECK);
	m->asked = false;
	m->most = *use;
	m->until = now + GIVING_TIME;
	return (MEMORY_COLLECT);
}

bool
memory_goes_on(struct memory *m, size_t unused, int64_t now)
{
	m->giving = unused > ALLOC_PIECE && now < m->until;
	return (m->giving);
}
