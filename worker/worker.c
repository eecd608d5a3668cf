/* A worker from its fork to its exit: puts the parts together. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "common/base/fd.h"
#include "common/boot.h"
#include "common/conf/conf.h"
#include "common/control.h"
#include "common/log/audit.h"
#include "common/log/log.h"
#include "common/log/sink.h"
#include "common/shm/stats.h"
#include "common/shm/table.h"
#include "worker/accept.h"
#include "worker/dns/resolver.h"
#include "worker/loop/loop.h"
#include "worker/memory.h"
#include "worker/sandbox.h"
#include "worker/tunnel/tunnel.h"

/* How often a log's stalled reader is tried again. */
#define SINK_RETRY (50 * CLOCK_MSEC)

/* A leaving worker waits as long as the stop allows while its logs take
 * something, and so long where they take nothing; in any case it tries for a
 * moment, since those whom the deadline met have lines too. */
#define SINK_PATIENCE  (5 * CLOCK_SEC)
#define SINK_MOMENT    (1 * CLOCK_SEC)
#define SINK_POLL_MSEC 10

/* Messages of the master, who has seldom two. */
#define CONTROL_PER_TURN 16

struct worker {
	const struct boot *boot;
	struct stats_slot *slot;
	struct loop *loop;
	struct resolver *resolver;
	struct table *table;
	struct tunnels tunnels;
	struct accept_to clients; /* these tunnels */
	struct acceptor *acceptor;
	struct loop_fd control;
	struct timer heartbeat, sink_retry, deadline;
	bool draining, orphaned, hurried;
	int64_t logs_until;	/* when lines that wait are given up */
	enum reason end_reason; /* of those whom the deadline meets */
	struct memory memory;
	/* Audit lines that are lost, of which the error log and the audit log
	 * do not tell yet, and when they may. */
	uint64_t untold, missing;
	int64_t report_at;
};

static uint64_t
work_done(const struct worker *w)
{
	return (atomic_load_explicit(
		    &w->slot->count[STAT_ACCEPTED], memory_order_relaxed) +
		w->tunnels.count);
}

static int64_t
heartbeat_interval(const struct worker *w)
{
	return (w->boot->conf->timeouts.watchdog / 4);
}

static void
heartbeat_cb(struct timer *t)
{
	struct worker *w = container_of(t, struct worker, heartbeat);
	struct buffers *buffers = &w->tunnels.buffers;

	if (memory_is_due(
		&w->memory, w->tunnels.count, buffers->nlent, work_done(w))) {
		buffers_trim(buffers);
		table_trim(w->table);
		alloc_trim();
	}
	timer_arm(
	    loop_timers(w->loop), t, loop_now(w->loop) + heartbeat_interval(w));
}

/*
 * Reports lines that a stalled reader or a full disk has cost, once a second:
 * to the error log at once, to the audit log when it takes lines again. On a
 * disk that is still full that report is lost, which is no line to be reported;
 * it is tried again.
 */
static void
report_dropped(struct worker *w, bool flushed)
{
	const struct boot *boot = w->boot;
	uint64_t n = sink_take_dropped(boot->audit);

	if (n > 0)
		stats_add(&w->slot->count[STAT_AUDIT_DROPPED], n);
	w->untold += n;
	w->missing += n;
	/* For the master, if we die before it is told. */
	atomic_store_explicit(
	    &w->slot->audit_untold, w->missing, memory_order_relaxed);
	if (w->untold == 0 && (w->missing == 0 || !flushed))
		return;
	if (clock_now() < w->report_at)
		return;
	w->report_at = clock_now() + CLOCK_SEC;
	if (w->untold > 0)
		log_write(boot->log, LOG_LEVEL_ERROR,
		    "audit log: %llu line%s dropped: %s",
		    (unsigned long long)w->untold, w->untold == 1 ? "" : "s",
		    sink_trouble(boot->audit));
	w->untold = 0;
	if (!flushed)
		return;
	if (audit_write_dropped(boot->audit, boot->conf->log.format,
		boot->worker, boot->generation, w->missing) == 0) {
		w->missing = 0;
		atomic_store_explicit(
		    &w->slot->audit_untold, 0, memory_order_relaxed);
	} else
		(void)sink_take_dropped(boot->audit);
}

static bool
flush_logs(struct worker *w)
{
	bool flushed = sink_flush(w->boot->audit);

	table_settle(w->table, sink_left(w->boot->audit));
	report_dropped(w, flushed);
	return (sink_flush(log_sink(w->boot->log)) && flushed);
}

static void
sink_retry_cb(struct timer *t)
{
	/* Waking the loop is all: every turn flushes. */
}

static void
before_wait(void *arg)
{
	struct worker *w = arg;

	atomic_store_explicit(&w->slot->heartbeat, (uint64_t)loop_now(w->loop),
	    memory_order_relaxed);
	memory_note(&w->memory, w->tunnels.count, w->tunnels.buffers.nlent);
	if (!flush_logs(w))
		timer_arm(loop_timers(w->loop), &w->sink_retry,
		    loop_now(w->loop) + SINK_RETRY);
	if (w->draining && !accept_is_open(w->acceptor) &&
	    w->tunnels.count == w->tunnels.lingering)
		loop_stop(w->loop);
}

static void
tunnel_closed(void *arg)
{
	struct worker *w = arg;

	if (w->acceptor != NULL)
		accept_resume(w->acceptor);
}

static void
deadline_cb(struct timer *t)
{
	struct worker *w = container_of(t, struct worker, deadline);

	tunnels_end(&w->tunnels, w->end_reason);
}

/* What is queued on those listeners is accepted, and what comes there until
 * accept_stop(). */
static void
drain(struct worker *w, uint64_t listeners, const char *how)
{
	if (w->draining)
		return;
	w->draining = true;
	log_write(w->boot->log, LOG_LEVEL_INFO, "%s: %llu tunnel%s open", how,
	    (unsigned long long)w->tunnels.count,
	    w->tunnels.count == 1 ? "" : "s");
	accept_empty(w->acceptor, listeners);
}

static enum reason
sane_reason(uint32_t reason)
{
	return (reason < REASON_COUNT ? (enum reason)reason : REASON_STOPPED);
}

static void
obey_drain(struct worker *w, const struct control_msg *msg)
{
	const struct control_msg emptied = { .type = CONTROL_EMPTIED };
	bool was_draining = w->draining;

	drain(w, msg->listeners, "draining");
	w->end_reason = sane_reason(msg->reason);
	w->logs_until = msg->deadline;
	if (msg->deadline != CLOCK_NEVER)
		timer_arm(loop_timers(w->loop), &w->deadline, msg->deadline);
	/* If it cannot be told, it tells us to close them by and by. */
	if (!was_draining && accept_is_open(w->acceptor))
		(void)control_send(w->boot->control_fd, &emptied, NULL, 0);
}

static void
obey(struct worker *w, const struct control_msg *msg, int *fds, size_t nfds)
{
	const struct control_msg pong = { .type = CONTROL_PONG };

	switch (msg->type) {
	case CONTROL_PING:
		(void)control_send(w->boot->control_fd, &pong, NULL, 0);
		break;
	case CONTROL_HAND:
		accept_handed(w->acceptor, &w->clients, fds[0]);
		return;
	case CONTROL_DRAIN:
		obey_drain(w, msg);
		break;
	case CONTROL_RELEASE:
		accept_stop(w->acceptor, UINT64_MAX);
		break;
	case CONTROL_END:
		drain(w, msg->listeners, "ending at once");
		accept_stop(w->acceptor, msg->listeners);
		w->hurried = true;
		w->logs_until = msg->deadline;
		tunnels_end(&w->tunnels, sane_reason(msg->reason));
		break;
	default:
		log_write(w->boot->log, LOG_LEVEL_ERROR,
		    "control: unknown message %u ignored", msg->type);
	}
	for (; nfds > 0; nfds--)
		fd_close(&fds[nfds - 1]);
}

/* Nobody would pass a signal on any more: it shall work directly. */
static void
orphaned(struct worker *w)
{
	loop_del(w->loop, &w->control);
	w->orphaned = true;
	log_write(w->boot->log, LOG_LEVEL_ERROR, "the master is gone");
	signal(SIGTERM, SIG_DFL);
	signal(SIGINT, SIG_DFL);
	signal(SIGQUIT, SIG_DFL);
	drain(w, UINT64_MAX, "draining");
	accept_stop(w->acceptor, UINT64_MAX);
}

static void
control_cb(struct loop_fd *lfd, uint32_t events)
{
	struct worker *w = container_of(lfd, struct worker, control);
	struct control_msg msg;
	int fds[CONTROL_FDS_MAX], n;
	size_t nfds;
	int i;

	/* The loop tells again of what is left. */
	for (i = 0; i < CONTROL_PER_TURN && lfd->fd != -1; i++) {
		n = control_recv(lfd->fd, &msg, fds, &nfds);
		if (n == 1)
			obey(w, &msg, fds, nfds);
		else if (n == -EAGAIN)
			return;
		else if (n == -EMFILE)
			/* The master has another of it. */
			log_write(w->boot->log, LOG_LEVEL_WARNING,
			    "connections of a worker that is down: %s",
			    strerrordesc_np(-n));
		else if (n != -EINTR)
			orphaned(w);
	}
}

/* A signal to the whole process group (Ctrl-C, pkill) is the master's to
 * answer; it tells us what it means. */
static void
ignore_signals(void)
{
	static const int ignored[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM,
		SIGUSR1, SIGUSR2, SIGPIPE };
	size_t i;

	for (i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
		signal(ignored[i], SIG_IGN);
}

/* Names are known that former workers knew. Without that it goes on. */
static void
inherit(struct worker *w)
{
	const struct boot *boot = w->boot;
	int n, fd = boot->store;
	size_t i;

	if (fd != -1) {
		n = resolver_inherit(
		    w->resolver, fd, boot->known, boot->nknown);
		if (n < 0)
			log_write(boot->log, LOG_LEVEL_WARNING,
			    "resolver: what is known of names cannot be kept "
			    "for later workers: %s",
			    strerrordesc_np(-n));
		else if (n > 0)
			log_write(boot->log, LOG_LEVEL_INFO,
			    "resolver: %d answer%s known from former workers",
			    n, n == 1 ? " is" : "s are");
		fd_close(&fd);
	}
	for (i = 0; i < boot->nknown; i++) {
		fd = boot->known[i];
		fd_close(&fd);
	}
}

static int
open_table(struct worker *w)
{
	int fd = w->boot->table, error = table_open(&w->table, fd);

	fd_close(&fd);
	if (error != 0)
		return (error);
	w->tunnels.table = w->table;
	sink_publish_left(w->boot->audit, table_left(w->table));
	return (0);
}

static int
start(struct worker *w)
{
	const struct boot *boot = w->boot;
	struct control_msg ready = { .type = CONTROL_READY };
	int error;

	w->slot = stats_mine(boot->shm);
	sink_publish(boot->audit, &w->slot->audit_owed);
	sink_publish(log_sink(boot->log), &w->slot->error_owed);
	w->control = (struct loop_fd){ .fd = -1, .cb = control_cb };
	timer_init(&w->heartbeat, heartbeat_cb);
	timer_init(&w->sink_retry, sink_retry_cb);
	timer_init(&w->deadline, deadline_cb);
	w->tunnels.closed = tunnel_closed;
	w->tunnels.arg = w;
	w->clients = (struct accept_to){
		.arg = &w->tunnels,
		.room = tunnels_room,
		.await = tunnels_await,
		.await_handed = tunnels_await_handed,
		.await_no_more = tunnels_await_no_more,
		.take = tunnels_take,
		.paused = tunnels_paused,
	};
	error = open_table(w);
	if (error == 0)
		error = loop_new(&w->loop);
	if (error == 0)
		error = resolver_new(&w->resolver, w->loop, &boot->conf->dns,
		    boot->hosts, boot->log, w->slot);
	if (error == 0)
		inherit(w);
	if (error == 0)
		error = tunnels_init(&w->tunnels, boot, w->loop, w->resolver);
	if (error == 0)
		error = accept_start(&w->acceptor, w->loop, boot, &w->clients);
	if (error == 0)
		error =
		    loop_add(w->loop, &w->control, boot->control_fd, EPOLLIN);
	if (error != 0)
		return (error);
	timer_arm(loop_timers(w->loop), &w->heartbeat,
	    loop_now(w->loop) + heartbeat_interval(w));
	before_wait(w);
	error = sandbox_enter(boot);
	if (error != 0)
		return (error);
	return (control_send(boot->control_fd, &ready, NULL, 0));
}

static size_t
logs_waiting(const struct worker *w)
{
	return (sink_waiting(w->boot->audit) +
		sink_waiting(log_sink(w->boot->log)));
}

static void
tell_lost(struct worker *w)
{
	uint64_t n = atomic_load(&w->slot->audit_owed);

	if (n > 0)
		log_write(w->boot->log, LOG_LEVEL_ERROR,
		    "audit log: %llu line%s dropped: %s, and the worker ends",
		    (unsigned long long)n, n == 1 ? "" : "s",
		    sink_trouble(w->boot->audit));
}

/* What is left then is for the master to tell, if there is one. */
static void
wait_for_logs(struct worker *w)
{
	int64_t now = clock_now(), moved = now, end = now + SINK_MOMENT;
	size_t left = SIZE_MAX;

	if (w->hurried || w->logs_until > end)
		end = w->logs_until;
	w->report_at = 0;
	while (!flush_logs(w) && now < end && now - moved < SINK_PATIENCE) {
		if (logs_waiting(w) < left) {
			left = logs_waiting(w);
			moved = now;
		}
		atomic_store_explicit(
		    &w->slot->heartbeat, (uint64_t)now, memory_order_relaxed);
		(void)poll(NULL, 0, SINK_POLL_MSEC);
		now = clock_now();
	}
	if (w->orphaned)
		tell_lost(w);
}

static void
finish(struct worker *w)
{
	accept_free(w->acceptor);
	w->acceptor = NULL; /* tunnel_closed() asks for it */
	if (w->loop != NULL && w->resolver != NULL) {
		tunnels_end(&w->tunnels, REASON_INTERNAL);
		tunnels_fini(&w->tunnels);
	}
	resolver_free(w->resolver);
	loop_free(w->loop);
	if (w->table == NULL)
		return;
	wait_for_logs(w);
	/* What waits now stands in the table, for others. */
	sink_publish_left(w->boot->audit, NULL);
	table_close(w->table);
}

int
worker_main(const struct boot *boot)
{
	struct worker w = { .boot = boot };
	int error;

	ignore_signals();
	error = start(&w);
	if (error == 0)
		error = loop_run(w.loop, before_wait, &w);
	if (error != 0)
		log_write(boot->log, LOG_LEVEL_ERROR, "worker: %s",
		    strerrordesc_np(-error));
	finish(&w);
	return (error == 0 ? EXIT_SUCCESS : EXIT_FAILURE);
}
