/* Makes the crew of a generation, and starts its workers. */
#include "master/recruit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "common/base/clock.h"
#include "common/conf/conf.h"
#include "common/log/log.h"
#include "master/generation.h"
#include "master/master.h"
#include "master/spawn.h"

#define READY_LIMIT (10 * CLOCK_SEC)

int
recruit_crew(
    struct master *m, struct generation *g, unsigned number, struct crew **out)
{
	struct terms *terms = terms_new(g->conf);
	struct crew *crew = NULL;
	int error;

	if (terms == NULL)
		return (-ENOMEM);
	error = crew_new(&crew, number, g->nworkers, terms);
	if (error != 0) {
		free(terms);
		return (error);
	}
	error = rules_hold(
	    m->shm, g->conf->rules, g->conf->nrules, clock_now(), &crew->rules);
	if (error != 0) {
		crew_free(crew, m->shm);
		return (error);
	}
	crew->generation = g;
	crew->run_as = g->run_as;
	crew->keyring = g->keyring;
	crew->error_log = g->error_log;
	crew->audit_log = g->audit_log;
	crew->log = g->log;
	g->keyring = NULL;
	g->error_log = g->audit_log = NULL;
	g->log = NULL;
	*out = crew;
	return (0);
}

static int
start(struct master *m, struct crew *crew, unsigned worker,
    const struct kept *kept, int64_t now, struct child **child,
    const char **step)
{
	const struct spawn_from from = { &m->listeners, m->shm, &m->crews, kept,
		m->current };
	struct epoll_event ev = { .events = EPOLLIN };
	struct child *c;
	int error;

	error = spawn_worker(crew, worker, &from, now, &c, step);
	if (error != 0)
		return (error);
	c->kill_at = now + READY_LIMIT;
	ev.data.ptr = c;
	/* Unheard, it would be killed as not ready in time. */
	if (epoll_ctl(m->epoll_fd, EPOLL_CTL_ADD, c->control_fd, &ev) != 0)
		log_write(crew->log, LOG_LEVEL_ERROR,
		    "worker %u[%d]: epoll_ctl: %s", c->worker, (int)c->pid,
		    strerror(errno));
	admin_tell_worker(m, c);
	*child = c;
	return (0);
}

int
recruit_worker(struct master *m, struct crew *crew, unsigned worker,
    int64_t now, const char **step)
{
	struct child *c;

	return (start(m, crew, worker, NULL, now, &c, step));
}

int
recruit_heir(struct master *m, struct crew *crew, unsigned worker,
    const struct kept *kept, int64_t now, struct child **child,
    const char **step)
{
	return (start(m, crew, worker, kept, now, child, step));
}
