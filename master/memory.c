/* Looks how much memory is left, and tells workers how much each may take until
 * the next look. */
#include "master/memory.h"

#include <errno.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/shm/room.h"
#include "common/shm/shm.h"
#include "master/crew.h"
#include "master/master.h"

/* How often, where there is no limit, much is left, or little. */
#define LOOK_SELDOM (10 * CLOCK_SEC)
#define LOOK	    (500 * CLOCK_MSEC)
#define LOOK_OFTEN  (100 * CLOCK_MSEC)

#define MIB	    UINT64_C(1048576)
#define MARGIN_MIN  (4 * MIB)
#define MARGIN_MAX  (128 * MIB)

uint64_t
memory_margin(uint64_t limit)
{
	uint64_t margin = limit / 8;

	if (margin > MARGIN_MAX)
		return (MARGIN_MAX);
	return (margin < MARGIN_MIN ? MARGIN_MIN : margin);
}

void
memory_open(struct memory_watch *w)
{
	/* A system without /proc/self/cgroup has no limit to keep. */
	(void)cgroup_find(
	    &w->cgroup, "/proc/self/cgroup", "/proc/self/mountinfo");
}

void
memory_close(struct memory_watch *w)
{
	cgroup_fini(&w->cgroup);
}

static uint64_t
workers(const struct shm *s)
{
	uint64_t n = 0;
	int i, high = shm_high(s);

	for (i = 0; i < high; i++)
		n += shm_is_live(s, i);
	return (n > 0 ? n : 1);
}

static void
tell_tight(struct master *m, const struct cgroup_memory *memory, bool tight)
{
	struct memory_watch *w = &m->memory;

	if (tight && !w->tight)
		log_write_rate(m->log, &w->rate, LOG_LEVEL_WARNING,
		    "memory: %llu of %llu MiB are in use: clients are refused",
		    (unsigned long long)(memory->used / MIB),
		    (unsigned long long)(memory->limit / MIB));
	w->tight = tight;
}

/* Returns for how long that is good. */
static int64_t
look(struct master *m, int64_t limit)
{
	struct memory_watch *w = &m->memory;
	struct cgroup_memory memory;
	uint64_t kept, room;
	int error = cgroup_look(
	    &w->cgroup, limit < 0 ? CGROUP_NO_LIMIT : (uint64_t)limit, &memory);

	if (error != 0)
		log_write_rate(m->log, &w->errors, LOG_LEVEL_WARNING,
		    "memory: the control group: %s", strerrordesc_np(-error));
	if (error != 0 || memory.limit == CGROUP_NO_LIMIT) {
		room_tell(m->shm, ROOM_UNLIMITED);
		return (error != 0 ? LOOK : LOOK_SELDOM);
	}
	kept = memory.used + memory_margin(memory.limit);
	room = kept < memory.limit ? memory.limit - kept : 0;
	tell_tight(m, &memory, room == 0);
	room_tell(m->shm, room / workers(m->shm));
	return (room < memory.limit / 4 ? LOOK_OFTEN : LOOK);
}

/* Nothing can be looked at: who asked for a limit is told. */
static void
tell_unkept(struct master *m, int64_t limit)
{
	if (limit > 0 && limit != m->memory.limit)
		log_write(m->log, LOG_LEVEL_WARNING,
		    "limits.memory: cannot be kept: there is no control group "
		    "that tells how much memory sniport uses");
	m->memory.limit = limit;
}

int64_t
memory_tick(struct master *m, int64_t now)
{
	struct memory_watch *w = &m->memory;
	int64_t limit;

	if (m->current == NULL)
		return (CLOCK_NEVER);
	limit = m->current->terms->memory;
	if (w->cgroup.levels == 0) {
		tell_unkept(m, limit);
		return (CLOCK_NEVER);
	}
	if (limit == 0) {
		room_tell(m->shm, ROOM_UNLIMITED);
		return (CLOCK_NEVER);
	}
	if (now >= w->look_at || limit != w->limit)
		w->look_at = now + look(m, limit);
	w->limit = limit;
	return (w->look_at);
}
