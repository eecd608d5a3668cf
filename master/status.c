/* Composes the status line that the service manager shows. */
#include "master/status.h"

#include <stdio.h>
#include <unistd.h>

#include "master/master.h"
#include "master/publish.h"

#define LOOK_EVERY (2 * CLOCK_SEC)

static const char *
plural(size_t n)
{
	return (n == 1 ? "" : "s");
}

/* "2", or "1 of 2". */
static void
put_workers(const struct master *m, char text[64])
{
	size_t n = m->current->nworkers;

	if (m->serving < n)
		snprintf(text, 64, "%zu of %zu", m->serving, n);
	else
		snprintf(text, 64, "%zu", n);
}

void
status_summary(const struct master *m, char text[STATUS_SUMMARY_SIZE])
{
	const struct crew *crew = m->current;
	char workers[64];

	put_workers(m, workers);
	snprintf(text, STATUS_SUMMARY_SIZE,
	    "%s worker%s, %zu listener%s, %zu rule%s, generation %u", workers,
	    plural(crew->nworkers), crew->terms->nlisteners,
	    plural(crew->terms->nlisteners), crew->terms->nrules,
	    plural(crew->terms->nrules), crew->number);
}

/* "; 3 tunnels, 2 of them in old generations", or nothing. */
static void
put_tunnels(const struct master *m, char text[96])
{
	uint64_t n = m->status.tunnels, old = m->status.old;
	int len = 0;

	text[0] = '\0';
	if (n > 0)
		len = snprintf(text, 96, "; %llu tunnel%s",
		    (unsigned long long)n, plural(n));
	if (old > 0)
		snprintf(text + len, 96 - (size_t)len,
		    old == n ? ", in old generations"
			     : ", %llu of them in old generations",
		    (unsigned long long)old);
}

static void
tell(const struct master *m, const char *before)
{
	char text[STATUS_SUMMARY_SIZE], workers[64], tunnels[96];

	put_tunnels(m, tunnels);
	if (m->phase == MASTER_GRACE) {
		status_summary(m, text);
		notify_send(&m->notify,
		    "%sSTATUS=Stopping, still serving: %s%s\n", before, text,
		    tunnels);
		return;
	}
	if (m->failure[0] == '\0') {
		status_summary(m, text);
		notify_send(&m->notify, "%sSTATUS=Serving: %s%s\n", before,
		    text, tunnels);
		return;
	}
	put_workers(m, workers);
	if (m->serving == m->current->nworkers)
		notify_send(&m->notify,
		    "%sSTATUS=Reload failed, generation %u goes on: %s%s\n",
		    before, m->current->number, m->failure, tunnels);
	else
		notify_send(&m->notify,
		    "%sSTATUS=Reload failed, generation %u goes on with %s "
		    "worker%s: %s%s\n",
		    before, m->current->number, workers,
		    plural(m->current->nworkers), m->failure, tunnels);
}

/* What has happened is told at once, and without numbers of tunnels, which
 * follow when they are looked at. */
static void
tell_event(struct master *m, const char *before)
{
	m->status.tunnels = m->status.old = 0;
	tell(m, before);
}

void
status_ready(struct master *m)
{
	char before[64];

	m->failure[0] = '\0';
	m->serving = m->current->nworkers;
	snprintf(
	    before, sizeof(before), "READY=1\nMAINPID=%d\n", (int)getpid());
	tell_event(m, before);
}

void
status_stopping(struct master *m)
{
	tell_event(m, "STOPPING=1\n");
}

void
status_failed(struct master *m, const char *cause)
{
	snprintf(m->failure, sizeof(m->failure), "%s", cause);
	tell_event(m, "READY=1\n");
}

void
status_workers(struct master *m, size_t serving)
{
	if (serving == m->serving)
		return;
	m->serving = serving;
	publish(m);
	tell_event(m, "");
}

int64_t
status_tick(struct master *m, int64_t now)
{
	uint64_t n, old;

	if (m->notify.fd < 0 || m->current == NULL ||
	    (m->phase != MASTER_RUNNING && m->phase != MASTER_GRACE))
		return (CLOCK_NEVER);
	if (m->status.look_at > now)
		return (m->status.look_at);
	m->status.look_at = now + LOOK_EVERY;
	n = crew_tunnels(&m->crews, m->shm);
	old = n - crew_tunnels_one(m->current, m->shm);
	/* Each was read for itself, while workers count on. */
	if (old > n)
		old = 0;
	if (n != m->status.tunnels || old != m->status.old) {
		m->status.tunnels = n;
		m->status.old = old;
		tell(m, "");
	}
	return (m->status.look_at);
}
