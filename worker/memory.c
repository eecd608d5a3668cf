/*
 * jemalloc (5.3) keeps what was freed for what comes next, and gives it back
 * only as it is used itself. So a worker asks for it when a burst is over; not
 * only when it is idle, or a few connections a second would put it off for
 * ever.
 */
#include "worker/memory.h"

/* Fewer are not worth it. */
#define FALL_MIN 64

static void
note(struct memory_peak *p, uint64_t n)
{
	if (n > p->most)
		p->most = n;
}

static bool
has_fallen(const struct memory_peak *p, uint64_t n)
{
	uint64_t fall = p->most - n;

	return (fall >= FALL_MIN && fall >= p->most / 4);
}

void
memory_note(struct memory *m, uint64_t tunnels, uint64_t lent)
{
	note(&m->tunnels, tunnels);
	note(&m->lent, lent);
}

bool
memory_is_due(struct memory *m, uint64_t tunnels, uint64_t lent, uint64_t work)
{
	bool idle = work == m->work, due;

	memory_note(m, tunnels, lent);
	due = (idle && !m->idle) || has_fallen(&m->tunnels, tunnels) ||
	      has_fallen(&m->lent, lent);
	m->work = work;
	m->idle = idle;
	if (due) {
		m->tunnels.most = tunnels;
		m->lent.most = lent;
	}
	return (due);
}
