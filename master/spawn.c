/*
 * Forks a worker: composes what it inherits (struct boot) and closes in it what
 * it must not have.
 */
#include "master/spawn.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/base/fd.h"
#include "common/base/registers.h"
#include "common/boot.h"
#include "common/conf/conf.h"
#include "common/control.h"
#include "common/log/log.h"
#include "common/log/sink.h"
#include "common/shm/shm.h"
#include "common/shm/store.h"
#include "common/shm/table.h"
#include "master/closing.h"
#include "master/generation.h"
#include "master/inherit.h"
#include "master/listener.h"
#include "master/logs.h"
#include "master/streams.h"
#include "master/keyring.h"

static void
reset_signals(void)
{
	static const int ignored[] = { SIGHUP, SIGINT, SIGUSR1, SIGUSR2,
		SIGPIPE, SIGXFSZ };
	struct sigaction sa = { .sa_handler = SIG_DFL };

	/* Fails for KILL, STOP and what glibc keeps to itself. */
	for (int sig = 1; sig < NSIG; sig++)
		(void)sigaction(sig, &sa, NULL);
	sa.sa_handler = SIG_IGN;
	for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
		(void)sigaction(ignored[i], &sa, NULL);
}

/*
 * Closes everything but the standard streams and what the worker inherits.
 * A foreign control socket would keep that worker from seeing that the master
 * is gone; a foreign listening socket would stay open when it is removed.
 */
static int
close_others(const struct boot *boot)
{
	size_t n = boot->nsockets + boot->nknown + 6;
	int *keep = calloc(n, sizeof(*keep));
	int error;

	if (keep == NULL)
		return (-ENOMEM);
	for (size_t i = 0; i < boot->nsockets; i++)
		keep[i] = boot->sockets[i].fd;
	for (size_t i = 0; i < boot->nknown; i++)
		keep[boot->nsockets + i] = boot->known[i];
	/* -1, where there is none, is no descriptor to be kept. */
	keep[n - 6] = boot->table;
	keep[n - 5] = boot->store;
	keep[n - 4] = boot->control_fd;
	keep[n - 3] = shm_fd(boot->shm);
	keep[n - 2] = sink_fd(log_sink(boot->log));
	keep[n - 1] = sink_fd(boot->audit);
	error = fd_close_others(keep, n);
	free(keep);
	return (error);
}

static int
own_logs(const struct boot *boot)
{
	int error = sink_own(log_sink(boot->log));

	return (error != 0 ? error : sink_own(boot->audit));
}

static _Noreturn void
become_worker(const struct boot *boot, const struct run_as *run_as)
{
	const char *step;
	char who[32];
	sigset_t none;
	int error;

	snprintf(who, sizeof(who), "worker %u", boot->worker);
	log_name(boot->log, who);
	reset_signals();
	step = "close_range";
	error = close_others(boot);
	if (error == 0) {
		step = "standard streams";
		error = streams_confine();
	}
	if (error == 0) {
		step = "syslog";
		error = own_logs(boot);
	}
	if (error == 0)
		error = privilege_drop(run_as, &step);
	if (error != 0) {
		log_write(boot->log, LOG_LEVEL_ERROR, "start: %s: %s", step,
		    strerror(-error));
		exit(EXIT_FAILURE);
	}
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	exit(worker_main(boot));
}

/*
 * A worker that was broken into shall know no keys but those that it serves
 * with. Those of generations that are over are not here any more.
 */
static void
forget_others(const struct crew_list *all, const struct crew *own)
{
	crew_forget_keys(all, own);
	/* What a worker frees, it frees often; and it has it anyway. */
	alloc_wipe(false);
}

static struct boot
make_boot(const struct child *c, int control_fd)
{
	const struct crew *crew = c->crew;
	const struct generation *g = crew->generation;

	return ((struct boot){ .conf = g->conf,
	    .policy = g->policy,
	    .guard = g->guard,
	    .hosts = g->hosts,
	    .tls = g->tls,
	    .tickets = keyring_view(crew->keyring),
	    .control_fd = control_fd,
	    .worker = c->worker,
	    .generation = crew->number,
	    .numbers = crew->seats[c->worker].numbers,
	    .rules = &crew->rules,
	    .log = crew->log,
	    .audit = logs_sink(crew->audit_log) });
}

/* By its own view of the memory a worker can write nothing but its own part. */
static void
join(struct boot *boot, const struct shm *master, int slot)
{
	int error = shm_join(master, slot, &boot->shm);

	if (error == 0)
		return;
	log_write(boot->log, LOG_LEVEL_ERROR,
	    "worker %u: start: shared memory: %s", boot->worker,
	    strerror(-error));
	exit(EXIT_FAILURE);
}

/* What the worker is to listen on; owned by the caller. */
static int
list_sockets(struct crew *crew, unsigned worker, const struct spawn_from *from,
    int64_t now, struct boot *boot)
{
	struct boot_socket *sockets;
	int error;

	if (from->kept == NULL) {
		error = listener_sockets(from->listeners, crew->terms, worker,
		    crew->nworkers, now, &sockets, &boot->nsockets);
		boot->sockets = sockets;
		return (error);
	}
	sockets = calloc(from->kept->n, sizeof(*sockets));
	if (sockets == NULL)
		return (-ENOMEM);
	memcpy(sockets, from->kept->sockets, from->kept->n * sizeof(*sockets));
	boot->sockets = sockets;
	boot->nsockets = from->kept->n;
	return (0);
}

/* Forks; 0 with the process id in *c, or -errno. */
static int
fork_worker(struct child *c, const struct spawn_from *from, int64_t now,
    int control_fd, const char **step)
{
	struct crew *crew = c->crew;
	const struct conf *conf = crew->generation->conf;
	struct boot boot = make_boot(c, control_fd);
	struct inheritance in;
	struct closing closing;
	int error;

	*step = "list sockets";
	error = list_sockets(crew, c->worker, from, now, &boot);
	if (error != 0)
		return (error);
	*step = "share the keys of tickets";
	error = keyring_share(crew->keyring);
	if (error != 0)
		goto out;
	*step = "make a table of tunnels";
	error = table_new(
	    table_size(crew_tunnels_most(crew)), &boot.table, &c->table);
	if (error != 0)
		goto out;
	inherit_init(&in, c, from->before, store_size(conf->dns.cache_size));
	boot.store = in.writer;
	boot.known = in.known;
	boot.nknown = in.nknown;
	*step = "fork";
	closing_begin(&closing);
	fflush(NULL); /* or the child's exit would write it once more */
	registers_clear();
	c->pid = fork();
	if (c->pid == 0) {
		forget_others(from->crews, crew);
		join(&boot, from->shm, c->slot);
		/* It is what the master knows of its child. */
		free(c);
		become_worker(&boot, &crew->run_as);
	}
	if (c->pid < 0)
		error = -errno;
	closing_await(&closing, c->pid > 0);
	inherit_fini(&in);
	fd_close(&boot.table);
out:
	keyring_unshare(crew->keyring);
	free((void *)(uintptr_t)boot.sockets);
	return (error);
}

int
spawn_worker(struct crew *crew, unsigned worker, const struct spawn_from *from,
    int64_t now, struct child **out, const char **step)
{
	struct child *c;
	int pair[2] = { -1, -1 };
	int error;

	*step = "allocate";
	c = calloc(1, sizeof(*c));
	if (c == NULL)
		return (-ENOMEM);
	crew_init_child(c, worker, now);
	c->crew = crew;
	*step = "take a slot of shared memory";
	c->slot = error = shm_take(from->shm, crew->nworkers > 1);
	if (error < 0)
		goto out;
	*step = "socketpair";
	error = control_pair(pair);
	if (error == 0)
		error = fork_worker(c, from, now, pair[1], step);
out:
	fd_close(&pair[1]);
	if (error != 0) {
		fd_close(&pair[0]);
		if (c->slot >= 0)
			shm_release(from->shm, c->slot);
		fd_close(&c->store);
		fd_close(&c->table);
		free(c);
		return (error);
	}
	c->control_fd = pair[0];
	crew_seat(crew, c);
	*out = c;
	return (0);
}
