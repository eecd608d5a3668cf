/* Sets up what the master's loop needs, runs it, and clears up behind it. */
#include "master/start.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "common/base/fd.h"
#include "common/log/log.h"
#include "common/log/sink.h"
#include "common/shm/shm.h"
#include "master/generation.h"
#include "master/inherited.h"
#include "master/legacy.h"
#include "master/master.h"
#include "master/publish.h"
#include "master/signals.h"
#include "master/takeover.h"

static int
open_epoll(struct master *m)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = NULL };

	m->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (m->epoll_fd < 0 ||
	    epoll_ctl(m->epoll_fd, EPOLL_CTL_ADD, m->signal_fd, &ev) != 0)
		return (-errno);
	return (0);
}

/* Where children are left (epoll failed), they see their control sockets
 * close, and drain. */
static void
fini(struct master *m)
{
	struct crew *crew;
	struct child *c;

	upgrade_fini(m);
	legacy_fini(m);
	admin_fini(m);
	lines_fini(&m->lines);
	listener_fini(&m->listeners);
	while ((crew = TAILQ_FIRST(&m->crews)) != NULL) {
		while ((c = TAILQ_FIRST(&crew->children)) != NULL)
			crew_forget(c, m->shm);
		TAILQ_REMOVE(&m->crews, crew, entry);
		crew_free(crew, m->shm);
	}
	logs_fini(&m->logs);
	fetch_fini(m);
	regain_fini(&m->regain);
	findings_fini(&m->findings);
	memory_close(&m->memory);
	renewal_end(&m->renewal);
	report_close(&m->reports);
	shm_free(m->shm);
	fdstore_close(&m->fdstore);
	notify_close(&m->notify);
	fd_close(&m->epoll_fd);
	fd_close(&m->signal_fd);
}

static int
make_memory(struct master *m, const char **step)
{
	int error;

	*step = "shared memory";
	error = shm_new(&m->shm);
	if (error == -EFBIG) {
		*step = NULL;
		privilege_tell_size(&m->findings);
	}
	if (error != 0)
		return (error);
	publish_start(m);
	*step = "reports of loads";
	return (report_open(&m->reports));
}

static int
init(struct master *m, const char **step)
{
	int error;

	*step = "limits";
	error = privilege_limits();
	if (error != 0)
		return (error);
	/* Else it would be the first to fail that is told. */
	*step = NULL;
	error = privilege_check_least(&m->findings);
	if (error != 0)
		return (error);
	*step = "signals";
	error = signals_open(m);
	if (error != 0)
		return (error);
	*step = "epoll";
	error = open_epoll(m);
	if (error != 0)
		return (error);
	m->logs.epoll_fd = m->epoll_fd;
	m->renewal.epoll_fd = m->epoll_fd;
	if (takeover_is_due())
		return (takeover(m, m->upgrade.argv, step));
	return (make_memory(m, step));
}

/* A writer needs no keys, whoever's they are. */
static void
forget_keys(void *arg)
{
	struct master *m = arg;

	crew_forget_keys(&m->crews, NULL);
	if (m->loading != NULL)
		generation_forget_keys(m->loading);
}

int
start_master(const char *file, char *const *argv)
{
	struct master m = { .file = file,
		.epoll_fd = -1,
		.signal_fd = -1,
		.reports = { .fd = -1, .reader = -1 },
		.reload_wanted = true,
		.limit_at = CLOCK_NEVER,
		.logs_until = CLOCK_NEVER };
	const struct writer_forget forget = { forget_keys, &m };
	struct sink *sink = NULL;
	struct log *log = NULL;
	const char *step;
	int error;

	TAILQ_INIT(&m.crews);
	TAILQ_INIT(&m.legacies);
	listener_init(&m.listeners);
	admin_init(&m.admin);
	lines_init(&m.lines);
	fetch_init(&m.fetch);
	regain_init(&m.regain);
	renewal_init(&m.renewal, -1);
	findings_init(&m.findings);
	logs_init(&m.logs, -1, &forget);
	memory_open(&m.memory);
	notify_open(&m.notify);
	fdstore_open(&m.fdstore, &m.notify);
	m.listeners.store = &m.fdstore;
	upgrade_init(&m, file, argv);
	/* Of all whose keys are read here, a worker shall have its own
	 * alone. */
	alloc_wipe(true);
	error = init(&m, &step);
	if (error == 0) {
		step = "stderr";
		error = sink_open(&sink, "stderr");
	}
	if (error == 0)
		error = log_new(&log, sink, LOG_LEVEL_WARNING, "master");
	if (m.log == NULL)
		m.log = log;
	if (error == 0) {
		inherited_take(&m.listeners, &m.fdstore, log);
		step = "epoll_wait";
		error = master_loop(&m);
	}
	findings_print(&m.findings, stderr);
	if (error != 0 && step != NULL)
		fprintf(stderr, "%ssniport: %s: %s\n",
		    sink_is_journal(STDERR_FILENO) ? "<3>" : "", step,
		    strerror(-error));
	fini(&m);
	log_free(log);
	sink_close(sink);
	return (error != 0 ? EXIT_FAILURE : m.exit_status);
}
