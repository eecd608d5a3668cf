/*
 * While a worker is down: steers new connections to the others, and has what
 * already waits on its sockets served by them.
 */
#include "master/cover.h"

#include <string.h>

#include "common/log/log.h"
#include "master/fetch.h"
#include "master/master.h"
#include "master/order.h"
#include "master/status.h"

static bool
serves(const struct seat *seat)
{
	return (seat->child != NULL && seat->child->state == CHILD_SERVING);
}

/* Others are there, and its next worker is not to come at once. */
static bool
is_down(const struct crew *crew, const struct seat *seat, size_t serving,
    int64_t now)
{
	if (serving == 0 || serves(seat))
		return (false);
	/* Until the one serves that is started. */
	if (seat->child != NULL)
		return (seat->covered);
	return (crew->generation == NULL || seat->spawn_at > now);
}

static void
cover(struct master *m, size_t serving, int64_t now)
{
	struct crew *crew = m->current;
	bool down, change = false;
	size_t i;

	for (i = 0; i < crew->nworkers; i++) {
		down = is_down(crew, &crew->seats[i], serving, now);
		if (down && !crew->seats[i].covered)
			log_write(m->log, LOG_LEVEL_INFO,
			    "worker %zu: others serve what waits for it", i);
		change = change || down || crew->seats[i].covered;
		crew->seats[i].covered = down;
	}
	if (change)
		fetch_watch(m, now);
}

void
cover_update(struct master *m, int64_t now)
{
	struct worker_set away = { 0 };
	struct crew *crew = m->current;
	size_t i, serving = 0;
	int error;

	if (crew == NULL || !master_serves(m))
		return;
	for (i = 0; i < crew->nworkers; i++) {
		if (serves(&crew->seats[i])) {
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
	cover(m, serving, now);
	status_workers(m, serving);
}

void
cover_heal(struct master *m, int64_t now)
{
	struct worker_set renewed = { 0 };
	struct crew *crew = m->current;
	struct seat *seat;
	size_t i;

	if (crew == NULL || !master_serves(m))
		return;
	listener_heal(&m->listeners, crew->terms->lost, m->log, &renewed);
	for (i = 0; i < WORKERS_MAX && m->next != NULL; i++) {
		if (!worker_set_has(&renewed, i))
			continue;
		findings_add(&m->findings, LOG_LEVEL_ERROR,
		    "worker %zu: start: its listener was shut down meanwhile",
		    i);
		break;
	}
	for (i = 0; i < crew->nworkers; i++) {
		seat = &crew->seats[i];
		if (!worker_set_has(&renewed, i) || seat->child == NULL)
			continue;
		log_write(m->log, LOG_LEVEL_WARNING,
		    "worker %zu[%d]: replaced, since it has a listener that "
		    "was shut down",
		    i, (int)seat->child->pid);
		order_drain_child(m, seat->child, REASON_RETIRED, CLOCK_NEVER);
		seat->child = NULL;
		seat->spawn_at = now;
	}
	/* Those of workers that are down may be others now. */
	fetch_watch(m, now);
}
