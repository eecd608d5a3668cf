/* Takes the master's place in this process, which another program had. */
#include "master/takeover.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/fd.h"
#include "common/log/log.h"
#include "common/shm/shm.h"
#include "master/codec.h"
#include "master/handover.h"
#include "master/logs_state.h"
#include "master/master.h"
#include "master/program.h"

/* To read what is there takes milliseconds. */
#define PATIENCE 20 /* s */

/* What a signal's handler needs to go back. There is no way to give it that but
 * by a variable. */
static struct {
	int before;
	char *const *argv;
	char *const *env;
} way_back;

static void
crash_cb(int signo)
{
	/* It would end the program that is gone back to. */
	(void)alarm(0);
	(void)execveat(
	    way_back.before, "", way_back.argv, way_back.env, AT_EMPTY_PATH);
	_exit(EXIT_FAILURE);
}

static const int crashes[] = { SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL,
	SIGALRM };

static void
set_handler(void (*handler)(int), int flags)
{
	struct sigaction sa = { .sa_handler = handler, .sa_flags = flags };
	sigset_t alarms;
	size_t i;

	for (i = 0; i < sizeof(crashes) / sizeof(crashes[0]); i++)
		(void)sigaction(crashes[i], &sa, NULL);
	sigemptyset(&alarms);
	sigaddset(&alarms, SIGALRM);
	(void)sigprocmask(SIG_UNBLOCK, &alarms, NULL);
}

/* Until all was taken over, whatever happens leads back. Without memory for
 * that, nothing but what is found to be wrong does. */
static void
guard(const struct program_handover *h, char *const *argv)
{
	const struct program_handover back = { .state = h->state,
		.before = -1,
		.failure = "it crashed, or stood still, as it took over" };

	if (h->before == -1)
		return;
	way_back.before = h->before;
	way_back.argv = argv;
	way_back.env = program_environment(&back);
	if (way_back.env == NULL)
		return;
	set_handler(crash_cb, SA_NODEFER);
	(void)alarm(PATIENCE);
}

static void
unguard(void)
{
	(void)alarm(0);
	if (way_back.env != NULL)
		set_handler(SIG_DFL, 0);
	program_free_environment(way_back.env);
	way_back.env = NULL;
}

bool
takeover_is_due(void)
{
	struct program_handover h;

	return (program_handed(&h) != 0);
}

/* Each worker has its part of the shared memory. A trial does not look, since
 * a worker that was there when it began may be gone. */
static void
check_slots(struct codec *c, const struct master *m)
{
	const struct crew *crew;
	const struct child *child;

	TAILQ_FOREACH (crew, &m->crews, entry) {
		TAILQ_FOREACH (child, &crew->children, entry) {
			if (!shm_is_live(m->shm, child->slot))
				codec_fail(c, -EPROTO,
				    "a worker has no shared memory");
		}
	}
}

/* 0, or -errno with *wrong set. */
static int
read_state(struct codec *c, int fd, struct master *m, const char **wrong)
{
	size_t size;
	const void *bytes = program_read_state(fd, &size);

	codec_read_init(c, NULL, 0, false);
	if (bytes == NULL) {
		*wrong = "what is handed over cannot be read";
		return (-errno);
	}
	if (handover_read(c, bytes, size, false, m) == 0)
		check_slots(c, m);
	*wrong = c->wrong;
	(void)munmap((void *)(uintptr_t)bytes, size);
	return (c->error);
}

static int
hear(struct master *m, int fd, void *ptr)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = ptr };

	if (fd == -1 || epoll_ctl(m->epoll_fd, EPOLL_CTL_ADD, fd, &ev) == 0)
		return (0);
	return (-errno);
}

/* All that speaks to the master is heard. */
static int
hear_all(struct master *m)
{
	struct admin_child *admin;
	struct logs_entry *e;
	struct crew *crew;
	struct child *c;
	int error = 0;

	TAILQ_FOREACH (crew, &m->crews, entry) {
		TAILQ_FOREACH (c, &crew->children, entry)
			error = error != 0 ? error : hear(m, c->control_fd, c);
	}
	TAILQ_FOREACH (admin, &m->admin.children, entry)
		error = error != 0 ? error : hear(m, admin->control_fd, admin);
	TAILQ_FOREACH (e, &m->logs.list, entry)
		if (e->has_writer)
			logs_hear(e);
	return (error);
}

/* The kernel names a process by what was run, which was a descriptor. */
static void
take_name(const char *program)
{
	char path[PATH_MAX];

	if (program[0] == '\0')
		return;
	memcpy(path, program, sizeof(path));
	(void)prctl(PR_SET_NAME, basename(path), 0, 0, 0);
}

static void
begin(struct master *m, const char *failure)
{
	struct upgrade *u = &m->upgrade;

	notify_adopt(&m->notify);
	take_name(u->program);
	m->log = m->current->log;
	m->phase = MASTER_RUNNING;
	/* Whoever has ended meanwhile was not told of. */
	m->reap_wanted = m->reload_wanted = true;
	u->handed = true;
	fetch_watch(m, clock_now());
	u->again = failure != NULL;
	if (failure == NULL)
		return;
	findings_init(&m->findings);
	findings_add(&m->findings, LOG_LEVEL_ERROR,
	    "upgrade: failed: %s: sniport " SNIPORT_VERSION " goes on",
	    failure);
	findings_log(&m->findings, m->log);
	if (u->reported)
		report_end(m, NULL, clock_now());
	u->reported = false;
	findings_fini(&m->findings);
	fd_close(&u->before);
}

/* Returns only where it has failed. */
static void
go_back(const struct program_handover *h, char *const *argv, const char *why)
{
	const struct program_handover back = {
		.state = h->state, .before = -1, .failure = why
	};

	(void)alarm(0);
	if (h->before != -1)
		(void)program_become(h->before, argv, &back);
}

int
takeover(struct master *m, char *const *argv, const char **step)
{
	struct program_handover h = { .state = -1, .before = -1 };
	struct codec c;
	int error = program_handed(&h);

	*step = "take over";
	if (error < 0)
		return (error);
	guard(&h, argv);
	error = read_state(&c, h.state, m, step);
	if (error == 0) {
		*step = "epoll_ctl";
		error = hear_all(m);
	}
	if (error != 0) {
		go_back(&h, argv, *step);
		handover_forget(m);
	} else {
		begin(m, h.failure);
	}
	unguard();
	/* As long as the way back is open, it needs them. */
	if (error == 0)
		codec_share(&c, false);
	fd_close(&h.state);
	program_forget();
	codec_fini(&c);
	return (error);
}
