/*
 * The start and every reload: read, check, bind, fork, wait until all are
 * ready; then commit, or undo it all.
 */
#include "master/reload.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/log/log.h"
#include "master/cover.h"
#include "master/fetch.h"
#include "master/generation.h"
#include "master/inherit.h"
#include "master/keep.h"
#include "master/legacy.h"
#include "master/master.h"
#include "master/order.h"
#include "master/patience.h"
#include "master/publish.h"
#include "master/recruit.h"
#include "master/status.h"
#include "master/keyring.h"
#include "master/totals.h"
#include "master/upgrade.h"

/* For workers of a generation that never served. */
#define END_PATIENCE (1 * CLOCK_SEC)

/* By then an old generation without tunnels is gone, and does not count. */
#define LIMIT_AFTER (1 * CLOCK_SEC)

static int64_t
retire_deadline(const struct crew *crew, int64_t now)
{
	int64_t after = crew->terms->retire;

	return (after == 0 ? CLOCK_NEVER : now + after);
}

static void
start_workers(struct master *m, struct crew *crew)
{
	const struct crew *old = m->current;
	const char *step;
	int error;

	error = keyring_begin(
	    crew->keyring, old != NULL ? old->keyring : NULL, clock_now());
	if (error != 0) {
		findings_add(&m->findings, LOG_LEVEL_ERROR,
		    "tickets: draw a key: %s", strerror(-error));
		return;
	}
	for (size_t i = 0; i < crew->nworkers; i++) {
		error =
		    recruit_worker(m, crew, (unsigned)i, clock_now(), &step);
		if (error == 0)
			continue;
		findings_add(&m->findings, LOG_LEVEL_ERROR,
		    "worker %zu: start: %s: %s", i, step, strerror(-error));
		return;
	}
}

/* 0 with *g owned by the caller, or -errno with the cause in findings. */
static int
read_generation(struct master *m, struct pause *pause, struct generation **g)
{
	int error = generation_read(g, m->file, pause, &m->findings);

	if (error != 0)
		return (error);
	/* New workers are not to inherit what an old one has shut down. */
	cover_heal(m, m->reload_began);
	m->loading = *g;
	if (m->current != NULL && m->current->generation != NULL)
		(*g)->replaced = &m->current->generation->expiries;
	else if (m->current != NULL)
		(*g)->replaced = &m->upgrade.served;
	error = generation_complete(*g, &m->logs, &m->findings);
	m->loading = NULL;
	if (error != 0)
		generation_free(*g);
	return (error);
}

void
reload_begin(struct master *m, struct pause *pause)
{
	struct patience patience;
	struct generation *g;
	struct crew *crew;
	int error;

	m->reload_began = clock_now();
	findings_init(&m->findings);
	if (!upgrade_has_report(m))
		report_begin(m);
	if (m->current != NULL) {
		log_write(
		    m->log, LOG_LEVEL_NOTICE, "reload: reading %s", m->file);
		notify_send(&m->notify, "RELOADING=1\nMONOTONIC_USEC=%lld\n",
		    (long long)(m->reload_began / CLOCK_USEC));
	}
	m->reading = true;
	patience_begin(&patience, &m->notify);
	error = read_generation(m, pause, &g);
	patience_end(&patience);
	m->reading = false;
	/* A stop that came meanwhile has said so. */
	if (error == -ECANCELED)
		findings_fini(&m->findings);
	if (error != 0)
		return;
	if (listener_prepare(
		&m->listeners, g->conf, g->nworkers, &m->findings) != 0 ||
	    admin_sockets_prepare(
		&m->admin.sockets, g->conf, &g->run_as, &m->findings) != 0) {
		generation_free(g);
		return;
	}
	if (recruit_crew(m, g, m->last_number + 1, &crew) != 0) {
		findings_add(&m->findings, LOG_LEVEL_ERROR, "workers: %s",
		    strerror(ENOMEM));
		generation_free(g);
		return;
	}
	/* Those of one that fails are not used again: its workers may have
	 * accepted a tunnel, and the number is part of that tunnel's name. */
	m->last_number = crew->number;
	m->next = crew;
	TAILQ_INSERT_TAIL(&m->crews, crew, entry);
	start_workers(m, crew);
}

static void
drop_if_empty(struct master *m, struct crew *crew)
{
	if (!TAILQ_EMPTY(&crew->children) || legacy_waits(m, crew))
		return;
	TAILQ_REMOVE(&m->crews, crew, entry);
	crew_free(crew, m->shm);
}

static void
tell_success(struct master *m, const struct crew *old, int64_t now)
{
	char text[STATUS_SUMMARY_SIZE];

	m->serving = m->current->nworkers;
	publish_loaded(m, true, old == NULL);
	status_summary(m, text);
	findings_log(&m->findings, m->log);
	if (old == NULL)
		log_write(m->log, LOG_LEVEL_NOTICE,
		    "sniport " SNIPORT_VERSION ": started, %s", text);
	else
		log_write(m->log, LOG_LEVEL_NOTICE,
		    "reload: done in %lld ms, %s",
		    (long long)((now - m->reload_began) / CLOCK_MSEC), text);
	status_ready(m);
	/* Who waits for it finds all the rest told. */
	report_end(m, text, now);
}

static void
watch_files(struct master *m, int64_t now)
{
	const struct generation *g = m->current->generation;
	int error = renewal_begin(&m->renewal, g->conf, &g->marks, now);

	if (error != 0)
		log_write(m->log, LOG_LEVEL_WARNING,
		    "tls.watch: not all folders can be watched (%s): files are "
		    "read each %lld s instead",
		    strerror(-error), (long long)(RENEWAL_LOOK / CLOCK_SEC));
}

static void
commit(struct master *m)
{
	struct crew *old = m->current;
	int64_t now = clock_now();
	uint64_t gone;

	m->current = m->next;
	m->next = NULL;
	m->log = m->current->log;
	listener_commit(&m->listeners, m->current->nworkers, now);
	admin_sockets_commit(&m->admin.sockets);
	cover_heal(m, now);
	if (old != NULL) {
		gone = listener_gone(old->terms, m->current->terms);
		keep_listeners(m, old, gone);
		order_drain(m, old, REASON_RETIRED,
		    retire_deadline(m->current, now), gone);
		keep_fill(m, old, now);
	}
	listener_close_removed(&m->listeners, m->log);
	if (old != NULL) {
		inherit_drop(old);
		regain_drop(m, old);
	}
	lines_renew(m, now);
	admin_renew(m, now);
	fetch_watch(m, now);
	listener_keepalive(&m->listeners, m->current->terms->lost);
	watch_files(m, now);
	upgrade_note(m);
	tell_success(m, old, now);
	if (old != NULL) {
		totals_log(m->shm, m->log);
		drop_if_empty(m, old);
	}
	upgrade_done(m);
	/* Not put off by reloads that follow each other. */
	if (m->limit_at == CLOCK_NEVER)
		m->limit_at = now + LIMIT_AFTER;
	findings_fini(&m->findings);
}

/*
 * Workers that were ready have accepted, so they drain like any old
 * generation: a reload that fails loses nothing either.
 */
static void
dismiss(struct master *m, struct crew *crew)
{
	struct child *c;
	bool served = false;

	TAILQ_FOREACH (c, &crew->children, entry)
		served = served || c->state == CHILD_SERVING;
	if (m->current == NULL || !served) {
		order_end(m, crew, REASON_STOPPED, END_PATIENCE);
		return;
	}
	order_drain(m, crew, REASON_RETIRED,
	    retire_deadline(m->current, clock_now()),
	    listener_gone(crew->terms, m->current->terms));
	/* The one that runs does not know their generation. */
	admin_renew(m, clock_now());
}

/* A start that failed before it forked is answered like -t. Once workers have
 * written to the same stream, perhaps a file, appending to it is the log's. */
static void
tell_failure(struct master *m, int64_t now)
{
	const char *cause = findings_first_error(&m->findings);

	if (m->current == NULL && m->last_number == 0) {
		findings_print(&m->findings, stderr);
		return;
	}
	findings_log(&m->findings, m->log);
	if (m->current == NULL)
		return;
	publish_loaded(m, false, false);
	log_write(m->log, LOG_LEVEL_ERROR,
	    "reload: failed after %lld ms: generation %u goes on",
	    (long long)((now - m->reload_began) / CLOCK_MSEC),
	    m->current->number);
	status_failed(m, cause);
	report_end(m, NULL, now);
}

static void
give_up(struct master *m)
{
	struct crew *crew = m->next;

	m->next = NULL;
	if (crew != NULL) {
		crew_settle(crew);
		dismiss(m, crew);
		drop_if_empty(m, crew);
	}
	listener_rollback(&m->listeners);
	admin_sockets_rollback(&m->admin.sockets);
	tell_failure(m, clock_now());
	upgrade_undo(m, findings_first_error(&m->findings));
	findings_fini(&m->findings);
	if (m->current == NULL) {
		m->phase = MASTER_ENDING;
		m->exit_status = EXIT_FAILURE;
	}
}

void
reload_step(struct master *m)
{
	const struct crew *crew = m->next;

	if (m->findings.nerrors > 0) {
		give_up(m);
		return;
	}
	if (crew == NULL)
		return;
	for (size_t i = 0; i < crew->nworkers; i++) {
		if (crew->seats[i].child == NULL ||
		    crew->seats[i].child->state != CHILD_SERVING)
			return;
	}
	commit(m);
}
