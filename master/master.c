/*
 * The master's loop: waits for signals, children and deadlines, and calls whom
 * they concern.
 */
#include "master/master.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "common/base/fd.h"
#include "common/log/log.h"
#include "common/log/sink.h"
#include "common/shm/shm.h"
#include "master/generation.h"
#include "master/keep.h"
#include "master/legacy.h"
#include "master/losses.h"
#include "master/order.h"
#include "master/reload.h"
#include "master/supervise.h"
#include "master/totals.h"

#define EVENTS_MAX 64

/* While draining, the service manager is asked for more time so often. */
#define EXTEND_EVERY (5 * CLOCK_SEC)
#define EXTEND_BY    (15 * CLOCK_SEC)

#define END_PATIENCE (1 * CLOCK_SEC)

/* Whoever writes them says seldom that he is done. */
#define LOGS_RETRY (50 * CLOCK_MSEC)

static const int signals[] = { SIGHUP, SIGUSR1, SIGTERM, SIGINT, SIGQUIT,
	SIGCHLD };

static int
open_signals(struct master *m)
{
	struct sigaction sa = { .sa_handler = SIG_IGN };
	sigset_t set;

	sigaction(SIGPIPE, &sa, NULL);
	sigaction(SIGUSR2, &sa, NULL);
	sigemptyset(&set);
	sa.sa_handler = SIG_DFL; /* an ignored SIGCHLD leaves nobody to reap */
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		sigaction(signals[i], &sa, NULL);
		sigaddset(&set, signals[i]);
	}
	if (sigprocmask(SIG_SETMASK, &set, NULL) != 0)
		return (-errno);
	m->signal_fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	return (m->signal_fd < 0 ? -errno : 0);
}

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

/* A reload that is under way, or is to come, will not come about. */
static void
forget_reload(struct master *m)
{
	if (m->current != NULL && (m->next != NULL || m->reload_wanted))
		log_write(m->log, LOG_LEVEL_WARNING,
		    "reload: given up: sniport is stopping");
	m->next = NULL;
	m->reload_wanted = false;
	findings_fini(&m->findings);
}

/* Whatever is being started or serves goes; a second call is harmless. */
static void
stop_at_once(struct master *m)
{
	struct crew *crew;

	m->phase = MASTER_ENDING;
	keep_nothing(m);
	m->stop_until = clock_now() + END_PATIENCE;
	if (m->logs_until > m->stop_until && m->logs_until != CLOCK_NEVER)
		m->logs_until = m->stop_until;
	if (m->done)
		return;
	forget_reload(m);
	TAILQ_FOREACH (crew, &m->crews, entry) {
		order_end(m, crew, REASON_STOPPED, END_PATIENCE);
		regain_drop(m, crew);
	}
	listener_fini(&m->listeners);
	log_write(m->log, LOG_LEVEL_NOTICE, "stop: at once");
	notify_send(&m->notify, "STOPPING=1\nSTATUS=Stopping at once\n");
}

/* Workers accept what is queued before they drain, so our copies of the
 * sockets are closed after they were told. */
static void
stop_gently(struct master *m)
{
	int64_t drain, deadline;
	struct crew *crew;
	uint64_t tunnels;
	bool whole;

	if (m->current == NULL) {
		stop_at_once(m);
		return;
	}
	drain = m->current->terms->drain;
	deadline = clock_now() + drain;
	m->phase = MASTER_DRAINING;
	m->stop_until = deadline;
	/* Before any of them is told. */
	tunnels = crew_tunnels(&m->crews, m->shm);
	forget_reload(m);
	m->extend_at = 0;
	keep_listeners(m, m->current, UINT64_MAX);
	TAILQ_FOREACH (crew, &m->crews, entry) {
		order_drain(
		    m, crew, REASON_DRAIN_DEADLINE, deadline, UINT64_MAX);
		regain_drop(m, crew);
	}
	keep_fill(m, m->current, clock_now());
	listener_fini(&m->listeners);
	whole = drain % CLOCK_SEC == 0;
	log_write(m->log, LOG_LEVEL_NOTICE,
	    "stop: draining %llu tunnel%s for at most %lld%s",
	    (unsigned long long)tunnels, tunnels == 1 ? "" : "s",
	    (long long)(drain / (whole ? CLOCK_SEC : CLOCK_MSEC)),
	    whole ? "s" : "ms");
	notify_send(&m->notify, "STOPPING=1\nSTATUS=Draining\n");
}

/* A new file begins with the totals of the one before it. */
static void
reopen_logs(struct master *m)
{
	if (m->done)
		return;
	logs_reopen(&m->logs, m->log);
	totals_log(m->shm, m->log);
}

static void
take_signal(struct master *m, uint32_t signo)
{
	switch (signo) {
	case SIGHUP:
		if (m->phase == MASTER_RUNNING)
			m->reload_wanted = true;
		else if (!m->done)
			log_write(m->log, LOG_LEVEL_WARNING,
			    "reload: ignored: sniport is stopping");
		break;
	case SIGUSR1:
		reopen_logs(m);
		break;
	case SIGTERM:
	case SIGINT:
		if (m->phase == MASTER_RUNNING)
			stop_gently(m);
		else
			stop_at_once(m);
		break;
	case SIGQUIT:
		stop_at_once(m);
		break;
	case SIGCHLD:
		m->reap_wanted = true;
		break;
	}
}

static void
take_signals(struct master *m)
{
	struct signalfd_siginfo info;

	while (read(m->signal_fd, &info, sizeof(info)) == sizeof(info))
		take_signal(m, info.ssi_signo);
}

/* Children are freed only by the reaping that comes after all events, so no
 * event points to one that is gone. */
static int
wait_events(struct master *m, int timeout)
{
	struct epoll_event events[EVENTS_MAX];
	int64_t now;
	int n;

	n = epoll_wait(m->epoll_fd, events, EVENTS_MAX, timeout);
	if (n < 0)
		return (errno == EINTR ? 0 : -errno);
	now = clock_now();
	for (int i = 0; i < n; i++) {
		if (events[i].data.ptr == NULL)
			take_signals(m);
		else if (!fetch_receive(m, events[i].data.ptr, now) &&
			 !logs_receive(&m->logs, events[i].data.ptr, m->log))
			supervise_receive(m, events[i].data.ptr, now);
	}
	if (m->reap_wanted) {
		m->reap_wanted = false;
		supervise_reap(m, now);
	}
	return (0);
}

/* Keep-alives to the service manager; returns when the next is due. */
static int64_t
tick_notify(struct master *m, int64_t now)
{
	if (m->phase == MASTER_DRAINING) {
		if (m->extend_at <= now) {
			notify_send(&m->notify, "EXTEND_TIMEOUT_USEC=%lld\n",
			    (long long)(EXTEND_BY / CLOCK_USEC));
			m->extend_at = now + EXTEND_EVERY;
		}
	} else {
		m->extend_at = CLOCK_NEVER;
	}
	if (m->notify.watchdog == 0)
		return (m->extend_at);
	if (m->watchdog_at <= now) {
		if (supervise_healthy(m, now))
			notify_send(&m->notify, "WATCHDOG=1\n");
		m->watchdog_at = now + m->notify.watchdog / 2;
	}
	return (m->watchdog_at < m->extend_at ? m->watchdog_at : m->extend_at);
}

static int64_t
earlier(int64_t a, int64_t b)
{
	return (a < b ? a : b);
}

/* Does what time demands; returns for how long nothing is to be done, as
 * epoll_wait(2) wants it. */
static int
tick(struct master *m)
{
	int64_t now = clock_now(), next;

	next = supervise_tick(m, now);
	next = earlier(next, legacy_tick(m, now));
	next = earlier(next, listener_tick(&m->listeners, now));
	next = earlier(next, order_limit(m, now));
	next = earlier(next, tick_notify(m, now));
	next = earlier(next, logs_tick(&m->logs, now, m->log));
	if (m->logs_until != CLOCK_NEVER)
		next = earlier(next,
		    m->logs_until > now ? m->logs_until : now + LOGS_RETRY);
	if (next == CLOCK_NEVER)
		return (-1);
	if (next <= now)
		return (0);
	/* Rounded up, or the last part of a millisecond would be spun away. */
	next = (next - now + CLOCK_MSEC - 1) / CLOCK_MSEC;
	return (next < 3600 * 1000 ? (int)next : 3600 * 1000);
}

static bool
is_over(const struct master *m)
{
	const struct crew *crew;

	if (m->phase == MASTER_RUNNING)
		return (false);
	TAILQ_FOREACH (crew, &m->crews, entry) {
		if (!TAILQ_EMPTY(&crew->children))
			return (false);
	}
	return (!legacy_waits(m, NULL));
}

static bool
finish_role(struct master *m, enum logs_role role, int64_t now, uint64_t *lost)
{
	struct logs_bounds bounds = { m->logs_until, m->logs_until };

	/* The last lines of all are few. */
	if ((m->phase != MASTER_ENDING || role == LOGS_ERROR) &&
	    bounds.end < CLOCK_NEVER - LOGS_PATIENCE)
		bounds.end += LOGS_PATIENCE;
	return (logs_finish(&m->logs, role, now, &bounds, lost));
}

/* Are all lines written, or given up? Last is the error log, which says what
 * became of the audit log, and has a moment for that however long the other was
 * waited for. */
static bool
finish_logs(struct master *m)
{
	int64_t now = clock_now();
	uint64_t lost = 0;

	if (m->logs_until == CLOCK_NEVER)
		m->logs_until = m->stop_until > now + END_PATIENCE
				    ? m->stop_until
				    : now + END_PATIENCE;
	if (!m->done) {
		if (!finish_role(m, LOGS_AUDIT, now, &lost))
			return (false);
		losses_final(m, lost);
		if (m->current != NULL) {
			totals_log(m->shm, m->log);
			log_write(m->log, LOG_LEVEL_NOTICE, "stop: done");
		}
		m->done = true;
		if (m->logs_until < now + END_PATIENCE)
			m->logs_until = now + END_PATIENCE;
	}
	return (finish_role(m, LOGS_ERROR, now, &lost));
}

static int
loop(struct master *m)
{
	int error = 0;

	while (error == 0) {
		if (m->reload_wanted && m->next == NULL &&
		    m->phase == MASTER_RUNNING) {
			m->reload_wanted = false;
			reload_begin(m);
		}
		reload_step(m);
		if (is_over(m) && finish_logs(m))
			break;
		error = wait_events(m, tick(m));
	}
	return (error);
}

/* Where children are left (epoll failed), they see their control sockets
 * close, and drain. */
static void
fini(struct master *m)
{
	struct crew *crew;
	struct child *c;

	legacy_fini(m);
	listener_fini(&m->listeners);
	while ((crew = TAILQ_FIRST(&m->crews)) != NULL) {
		while ((c = TAILQ_FIRST(&crew->children)) != NULL)
			crew_forget(c, m->shm);
		TAILQ_REMOVE(&m->crews, crew, entry);
		crew_free(crew);
	}
	logs_fini(&m->logs);
	fetch_fini(m);
	regain_fini(&m->regain);
	findings_fini(&m->findings);
	shm_free(m->shm);
	notify_close(&m->notify);
	fd_close(&m->epoll_fd);
	fd_close(&m->signal_fd);
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
	error = open_signals(m);
	if (error != 0)
		return (error);
	*step = "epoll";
	error = open_epoll(m);
	if (error != 0)
		return (error);
	m->logs.epoll_fd = m->epoll_fd;
	*step = "shared memory";
	return (shm_new(&m->shm));
}

/* A writer needs no keys, whoever's they are. */
static void
forget_keys(void *arg)
{
	struct master *m = arg;
	struct crew *crew;

	TAILQ_FOREACH (crew, &m->crews, entry)
		if (crew->generation != NULL)
			generation_forget_keys(crew->generation);
	if (m->loading != NULL)
		generation_forget_keys(m->loading);
}

int
master_run(const char *file)
{
	struct master m = { .file = file,
		.epoll_fd = -1,
		.signal_fd = -1,
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
	fetch_init(&m.fetch);
	regain_init(&m.regain);
	findings_init(&m.findings);
	logs_init(&m.logs, -1, &forget);
	notify_open(&m.notify);
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
	m.log = log;
	if (error == 0) {
		step = "epoll_wait";
		error = loop(&m);
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
