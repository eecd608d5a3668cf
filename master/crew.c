/* Starts single workers, and kills them. */
#include "master/crew.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>

#include "common/base/clock.h"
#include "common/log/log.h"
#include "master/master.h"
#include "master/spawn.h"

#define READY_LIMIT (10 * CLOCK_SEC)

static int
start(struct master *m, struct generation *g, unsigned worker,
    const struct kept *kept, int64_t now, struct child **child,
    const char **step)
{
	const struct spawn_from from = { &m->listeners, m->shm, &m->generations,
		kept, m->current };
	struct epoll_event ev = { .events = EPOLLIN };
	struct child *c;
	int error;

	error = spawn_worker(g, worker, &from, now, &c, step);
	if (error != 0)
		return (error);
	c->kill_at = now + READY_LIMIT;
	ev.data.ptr = c;
	/* Unheard, it would be killed as not ready in time. */
	if (epoll_ctl(m->epoll_fd, EPOLL_CTL_ADD, c->control_fd, &ev) != 0)
		log_write(g->log, LOG_LEVEL_ERROR,
		    "worker %u[%d]: epoll_ctl: %s", c->worker, (int)c->pid,
		    strerror(errno));
	*child = c;
	return (0);
}

int
crew_start(struct master *m, struct generation *g, unsigned worker, int64_t now,
    const char **step)
{
	struct child *c;

	return (start(m, g, worker, NULL, now, &c, step));
}

int
crew_start_heir(struct master *m, struct generation *g, unsigned worker,
    const struct kept *kept, int64_t now, struct child **child,
    const char **step)
{
	return (start(m, g, worker, kept, now, child, step));
}

void
crew_kill(struct master *m, struct child *c, const char *why)
{
	/* If it is still being started, it is logged where the start is given
	 * up. */
	if (c->generation != m->next)
		log_write(m->log, LOG_LEVEL_WARNING,
		    "worker %u[%d] of generation %u: killed: %s", c->worker,
		    (int)c->pid, c->generation->number, why);
	(void)kill(c->pid, SIGKILL);
	c->killed = why;
	c->state = CHILD_ENDING;
	c->kill_at = CLOCK_NEVER;
}
