/*
 * Forks the admin process: composes what it inherits (struct boot_admin), and
 * takes from it what it must not have, which is all that a client, a key or the
 * audit log is reached by.
 */
#include "master/admin_spawn.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "common/base/registers.h"
#include "common/boot.h"
#include "common/control.h"
#include "common/log/log.h"
#include "common/log/sink.h"
#include "common/shm/reports.h"
#include "common/shm/shm.h"
#include "master/closing.h"
#include "master/generation.h"
#include "master/master.h"
#include "master/streams.h"

static void
forget_keys(struct master *m)
{
	crew_forget_keys(&m->crews, NULL);
	if (m->loading != NULL)
		generation_forget_keys(m->loading);
}

/* What it is given of the crews; it is never freed. */
static int
list_crews(const struct master *m, struct boot_admin *boot)
{
	struct boot_generation *generations;
	struct boot_worker *workers;
	struct terms_names names;
	const struct child *c;
	const struct crew *crew;
	size_t n = 0, nworkers = 0;

	TAILQ_FOREACH (crew, &m->crews, entry) {
		n++;
		TAILQ_FOREACH (c, &crew->children, entry)
			nworkers++;
	}
	generations = calloc(n + 1, sizeof(*generations));
	workers = calloc(nworkers + 1, sizeof(*workers));
	if (generations == NULL || workers == NULL)
		return (-ENOMEM);
	boot->generations = generations;
	boot->workers = workers;
	TAILQ_FOREACH (crew, &m->crews, entry) {
		if (terms_names_init(&names, crew->terms) != 0)
			return (-ENOMEM);
		*generations++ =
		    (struct boot_generation){ crew->number, names.names };
		TAILQ_FOREACH (c, &crew->children, entry)
			*workers++ = (struct boot_worker){ c->worker,
				crew->number, c->slot, c->table };
	}
	boot->ngenerations = n;
	boot->nworkers = nworkers;
	return (0);
}

/* Closes everything but the standard streams and what it inherits. */
static int
close_others(const struct boot_admin *boot)
{
	size_t i, n = boot->nworkers + 5;
	int *keep = calloc(n, sizeof(*keep));
	int error;

	if (keep == NULL)
		return (-ENOMEM);
	for (i = 0; i < boot->nworkers; i++)
		keep[i] = boot->workers[i].table;
	keep[n - 5] = boot->control_fd;
	keep[n - 4] = boot->http_fd;
	keep[n - 3] = boot->operator_fd;
	keep[n - 2] = shm_fd(boot->shm);
	keep[n - 1] = sink_fd(log_sink(boot->log));
	error = fd_close_others(keep, n);
	free(keep);
	return (error);
}

static int
set_up(struct master *m, struct boot_admin *boot, const char **step)
{
	struct run_as run_as = m->current->run_as;
	int error;

	*step = "list workers";
	error = list_crews(m, boot);
	if (error != 0)
		return (error);
	*step = "shared memory";
	error = shm_join_reader(m->shm, &boot->shm);
	if (error != 0)
		return (error);
	*step = "reports of loads";
	error = reports_map(&boot->reports, m->reports.reader);
	if (error != 0)
		return (error);
	*step = "close_range";
	error = close_others(boot);
	if (error != 0)
		return (error);
	*step = "standard streams";
	error = streams_confine();
	if (error != 0)
		return (error);
	*step = "syslog";
	error = sink_own(log_sink(boot->log));
	run_as.keep = 0;
	return (error != 0 ? error : privilege_drop(&run_as, step));
}

static _Noreturn void
become_admin(struct master *m, int control_fd)
{
	struct boot_admin boot = {
		.conf = m->current->generation->conf,
		.generation = m->current->number,
		.control_fd = control_fd,
		.http_fd = m->admin.sockets.now[ADMIN_HTTP].fd,
		.operator_fd = m->admin.sockets.now[ADMIN_OPERATOR].fd,
		.owner = geteuid(),
		.expiries = &m->current->generation->expiries,
		.log = m->current->log,
	};
	const char *step;
	sigset_t none;
	int error;

	(void)prctl(PR_SET_NAME, "sniport-admin", 0, 0, 0);
	forget_keys(m);
	log_name(boot.log, "admin");
	error = set_up(m, &boot, &step);
	if (error != 0) {
		log_write(boot.log, LOG_LEVEL_ERROR, "start: %s: %s", step,
		    strerror(-error));
		exit(EXIT_FAILURE);
	}
	signal(SIGCHLD, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	exit(admin_main(&boot));
}

pid_t
admin_spawn(struct master *m, int *control_fd)
{
	struct closing closing;
	int pair[2], error;
	pid_t pid;

	error = control_pair(pair);
	if (error != 0)
		return (error);
	closing_begin(&closing);
	fflush(NULL); /* or the child's exit would write it once more */
	registers_clear();
	pid = fork();
	if (pid == 0)
		become_admin(m, pair[1]);
	error = pid < 0 ? -errno : 0;
	closing_await(&closing, pid > 0);
	fd_close(&pair[1]);
	if (error != 0) {
		fd_close(&pair[0]);
		return (error);
	}
	*control_fd = pair[0];
	return (pid);
}
