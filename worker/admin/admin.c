/*
 * The admin process from its fork to its exit: it shows what the workers do,
 * and has nothing of their work.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/boot.h"
#include "common/log/log.h"
#include "common/log/sink.h"
#include "common/shm/rules_reader.h"
#include "worker/admin/control.h"
#include "worker/admin/sandbox.h"
#include "worker/admin/state.h"

/* How often a log's stalled reader is tried again. */
#define SINK_RETRY (50 * CLOCK_MSEC)

static void
sink_retry_cb(struct timer *t)
{
	/* Waking the loop is all: every turn flushes. */
}

static void
before_wait(void *arg)
{
	struct admin *a = arg;

	if (!sink_flush(log_sink(a->boot->log)))
		timer_arm(loop_timers(a->loop), &a->sink_retry,
		    loop_now(a->loop) + SINK_RETRY);
	if (a->draining && server_is_empty(&a->server))
		loop_stop(a->loop);
}

/* A signal to the whole process group is the master's to answer. */
static void
ignore_signals(void)
{
	static const int ignored[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM,
		SIGUSR1, SIGUSR2, SIGPIPE, SIGXFSZ };
	size_t i;

	for (i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
		signal(ignored[i], SIG_IGN);
}

static int
start(struct admin *a)
{
	const struct boot_admin *boot = a->boot;
	size_t i;
	int error;

	timer_init(&a->sink_retry, sink_retry_cb);
	error = loop_new(&a->loop);
	if (error != 0)
		return (error);
	for (i = 0; error == 0 && i < boot->nworkers; i++)
		error = workers_add(&a->workers, &boot->workers[i]);
	if (error == 0)
		error = rules_reader_new(&a->rules);
	if (error == 0)
		error = server_start(
		    &a->server, a, a->loop, boot->http_fd, boot->operator_fd);
	if (error == 0)
		error = control_obey(a);
	return (error == 0 ? admin_sandbox_enter(boot) : error);
}

int
admin_main(const struct boot_admin *boot)
{
	struct admin a = { .boot = boot };
	int error;

	ignore_signals();
	workers_init(&a.workers);
	error = start(&a);
	if (error == 0)
		error = loop_run(a.loop, before_wait, &a);
	if (error != 0)
		log_write(boot->log, LOG_LEVEL_ERROR, "admin: %s",
		    strerrordesc_np(-error));
	if (a.server.loop != NULL)
		server_stop(&a.server);
	workers_fini(&a.workers);
	rules_reader_free(a.rules);
	loop_free(a.loop);
	(void)sink_flush(log_sink(boot->log));
	return (error == 0 ? EXIT_SUCCESS : EXIT_FAILURE);
}
