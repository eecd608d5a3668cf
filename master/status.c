/* Composes the status line that the service manager shows. */
#include "master/status.h"

#include <stdio.h>
#include <unistd.h>

#include "master/master.h"
#include "master/publish.h"

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

static void
tell(const struct master *m, const char *before)
{
	char text[STATUS_SUMMARY_SIZE], workers[64];

	if (m->phase == MASTER_GRACE) {
		status_summary(m, text);
		notify_send(&m->notify,
		    "%sSTATUS=Stopping, still serving: %s\n", before, text);
		return;
	}
	if (m->failure[0] == '\0') {
		status_summary(m, text);
		notify_send(&m->notify, "%sSTATUS=Serving: %s\n", before, text);
		return;
	}
	put_workers(m, workers);
	if (m->serving == m->current->nworkers)
		notify_send(&m->notify,
		    "%sSTATUS=Reload failed, generation %u goes on: %s\n",
		    before, m->current->number, m->failure);
	else
		notify_send(&m->notify,
		    "%sSTATUS=Reload failed, generation %u goes on with %s "
		    "worker%s: %s\n",
		    before, m->current->number, workers,
		    plural(m->current->nworkers), m->failure);
}

void
status_ready(struct master *m)
{
	char before[64];

	m->failure[0] = '\0';
	m->serving = m->current->nworkers;
	snprintf(
	    before, sizeof(before), "READY=1\nMAINPID=%d\n", (int)getpid());
	tell(m, before);
}

void
status_stopping(struct master *m)
{
	tell(m, "STOPPING=1\n");
}

void
status_failed(struct master *m, const char *cause)
{
	snprintf(m->failure, sizeof(m->failure), "%s", cause);
	tell(m, "READY=1\n");
}

void
status_workers(struct master *m, size_t serving)
{
	if (serving == m->serving)
		return;
	m->serving = serving;
	publish(m);
	tell(m, "");
}
