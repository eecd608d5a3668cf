/* A worker from its fork to its exit: puts the parts together, and runs. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/fd.h"
#include "common/boot.h"
#include "common/conf/conf.h"
#include "common/control.h"
#include "common/log/log.h"
#include "common/log/sink.h"
#include "common/shm/stats.h"
#include "common/shm/table.h"
#include "worker/dns/resolver.h"
#include "worker/loop/loop.h"
#include "worker/sandbox.h"
#include "worker/worker_state.h"

/* How often a log's stalled reader is tried again. */
#define SINK_RETRY (50 * CLOCK_MSEC)

static int64_t
heartbeat_interval(const struct worker *w)
{
	return (w->boot->conf->timeouts.watchdog / 4);
}

static void
heartbeat_cb(struct timer *t)
{
	struct worker *w = container_of(t, struct worker, heartbeat);

	worker_memory_look(w);
	timer_arm(
	    loop_timers(w->loop), t, loop_now(w->loop) + heartbeat_interval(w));
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
	worker_memory_note(w);
	if (!worker_flush(w))
		timer_arm(loop_timers(w->loop), &w->sink_retry,
		    loop_now(w->loop) + SINK_RETRY);
	if (worker_is_done(w))
		loop_stop(w->loop);
}

static void
tunnel_closed(void *arg)
{
	struct worker *w = arg;

	if (w->acceptor != NULL)
		accept_resume(w->acceptor);
}

/* A signal to the whole process group (Ctrl-C, pkill) is the master's to
 * answer; it tells us what it means. */
static void
ignore_signals(void)
{
	static const int ignored[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM,
		SIGUSR1, SIGUSR2, SIGPIPE, SIGXFSZ };
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
	timer_init(&w->heartbeat, heartbeat_cb);
	timer_init(&w->sink_retry, sink_retry_cb);
	worker_memory_start(w);
	w->tunnels.closed = tunnel_closed;
	w->tunnels.arg = w;
	w->clients = (struct accept_to){
		.arg = &w->tunnels,
		.room = tunnels_room,
		.await = tunnels_await,
		.await_handed = tunnels_await_handed,
		.await_no_more = tunnels_await_no_more,
		.take = tunnels_take,
		.refuse = tunnels_refuse,
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
		error = worker_obey(w);
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
	worker_flush_last(w);
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
