#include "master/cover.h"

#include <stdlib.h>
#include <string.h>

#include "common/conf/conf.h"
#include "common/control.h"
#include "common/log/log.h"
#include "master/master.h"
#include "master/order.h"
#include "master/status.h"

/* How often lent sockets are looked at. */
#define LOOK_TIME (2 * CLOCK_SEC)

static bool
serves(const struct seat *seat)
{
	return (seat->child != NULL && seat->child->state == CHILD_SERVING);
}

/* The next one that serves; NULL: nobody does. */
static struct child *
find_helper(const struct generation *g, size_t worker)
{
	const struct seat *seat;
	size_t i;

	for (i = 1; i < g->nworkers; i++) {
		seat = &g->seats[(worker + i) % g->nworkers];
		if (serves(seat))
			return (seat->child);
	}
	return (NULL);
}

/* The helper has them as surplus sockets: for long enough that what was on its
 * way has come. */
static int
hand_over(struct master *m, unsigned worker, struct child *helper, int64_t now)
{
	const struct generation *g = m->current;
	struct boot_socket *sockets;
	size_t i, n;
	int error;

	error = listener_sockets(
	    &m->listeners, g->conf, worker, g->nworkers, now, &sockets, &n);
	if (error != 0)
		return (error);
	for (i = 0; error == 0 && i < n; i++) {
		const struct control_msg msg = { .type = CONTROL_ADOPT,
			.listener = sockets[i].listener };

		error =
		    control_send(helper->control_fd, &msg, &sockets[i].fd, 1);
	}
	free(sockets);
	return (error);
}

/* One that is replaced at once is not waited for. */
static void
cover(struct master *m, unsigned worker, int64_t now)
{
	struct seat *seat = &m->current->seats[worker];
	struct child *helper;
	int error;

	if (seat->child != NULL || seat->spawn_at <= now || seat->cover != NULL)
		return;
	helper = find_helper(m->current, worker);
	if (helper == NULL)
		return;
	error = hand_over(m, worker, helper, now);
	if (error != 0) {
		log_write(m->log, LOG_LEVEL_ERROR,
		    "worker %u: worker %u cannot serve what waits for it: %s",
		    worker, helper->worker, strerror(-error));
		return;
	}
	seat->cover = helper;
	helper->lent = true;
	if (m->lent_at == CLOCK_NEVER)
		m->lent_at = now + LOOK_TIME;
	log_write(m->log, LOG_LEVEL_INFO,
	    "worker %u: worker %u serves what waits for it", worker,
	    helper->worker);
}

/* A worker begins to serve on sockets that another had meanwhile. */
static void
take_back(struct master *m, int64_t now)
{
	const struct generation *g = m->current;
	bool lent = false;
	size_t i;

	for (i = 0; i < g->nworkers; i++)
		lent =
		    lent || (g->seats[i].cover != NULL && serves(&g->seats[i]));
	if (lent)
		cover_heal(m, now);
}

void
cover_update(struct master *m, int64_t now)
{
	struct worker_set away = { 0 };
	struct generation *g = m->current;
	size_t i, serving = 0;
	int error;

	if (g == NULL || m->phase != MASTER_RUNNING)
		return;
	take_back(m, now);
	for (i = 0; i < g->nworkers; i++) {
		if (serves(&g->seats[i])) {
			g->seats[i].cover = NULL;
			serving++;
		} else {
			worker_set_add(&away, i);
		}
	}
	error = listener_away(&m->listeners, &away);
	if (error != 0)
		log_write(m->log, LOG_LEVEL_ERROR,
		    "listeners: connections cannot be kept from workers that "
		    "are down: %s",
		    strerror(-error));
	for (i = 0; i < g->nworkers; i++)
		cover(m, (unsigned)i, now);
	status_workers(m, serving);
}

void
cover_forget(struct master *m, const struct child *c)
{
	struct generation *g = m->current;
	size_t i;

	for (i = 0; g != NULL && i < g->nworkers; i++) {
		if (g->seats[i].cover == c)
			g->seats[i].cover = NULL;
	}
}

void
cover_heal(struct master *m, int64_t now)
{
	struct worker_set renewed = { 0 };
	struct generation *g = m->current;
	struct seat *seat;
	size_t i;

	if (g == NULL || m->phase != MASTER_RUNNING)
		return;
	listener_heal(&m->listeners, g->conf->timeouts.lost, m->log, &renewed);
	for (i = 0; i < WORKERS_MAX && m->next != NULL; i++) {
		if (!worker_set_has(&renewed, i))
			continue;
		findings_add(&m->findings, LOG_LEVEL_ERROR,
		    "worker %zu: start: its listener was shut down meanwhile",
		    i);
		break;
	}
	for (i = 0; i < g->nworkers; i++) {
		seat = &g->seats[i];
		if (!worker_set_has(&renewed, i) || seat->child == NULL)
			continue;
		log_write(m->log, LOG_LEVEL_WARNING,
		    "worker %zu[%d]: replaced, since it has a listener that "
		    "was shut down",
		    i, (int)seat->child->pid);
		order_drain_child(m, seat->child, REASON_RETIRED, CLOCK_NEVER);
		cover_forget(m, seat->child);
		seat->child = NULL;
		seat->spawn_at = now;
	}
}

static bool
is_lent(const struct master *m)
{
	const struct generation *g;
	const struct child *c;

	TAILQ_FOREACH (g, &m->generations, entry) {
		TAILQ_FOREACH (c, &g->children, entry) {
			if (c->lent)
				return (true);
		}
	}
	return (false);
}

int64_t
cover_tick(struct master *m, int64_t now)
{
	if (m->lent_at > now)
		return (m->lent_at);
	m->lent_at = CLOCK_NEVER;
	if (m->phase != MASTER_RUNNING || !is_lent(m))
		return (CLOCK_NEVER);
	cover_heal(m, now);
	cover_update(m, now);
	m->lent_at = now + LOOK_TIME;
	return (m->lent_at);
}
