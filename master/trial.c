/* Runs the program that is to take over in a child, and hears what it says. */
#include "master/trial.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "master/closing.h"
#include "master/codec.h"
#include "master/master.h"
#include "master/program.h"

/* Of what it says, so much is logged. */
#define LINES_MAX 20

/* So many empty a full pipe; the loop tells of more. */
#define READS_MAX 16

void
trial_init(struct trial *t)
{
	*t = (struct trial){ .exe = -1, .output = -1 };
}

int
trial_open(struct trial *t, const char *program)
{
	int fd = program_open(program);

	if (fd < 0)
		return (fd);
	t->exe = fd;
	t->nsaid = 0;
	t->said[0] = '\0';
	return (0);
}

static _Noreturn void
become_trial(
    const struct master *m, const struct codec *c, int state, int output)
{
	char number[16];
	char *const argv[] = { m->upgrade.argv[0],
		(char *)(uintptr_t)TRIAL_OPTION, number, NULL };
	sigset_t none;

	snprintf(number, sizeof(number), "%d", state);
	codec_share(c, true);
	(void)fcntl(state, F_SETFD, 0);
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	(void)dup2(output, STDOUT_FILENO);
	(void)dup2(output, STDERR_FILENO);
	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)execveat(m->upgrade.trial.exe, "", argv, environ, AT_EMPTY_PATH);
	dprintf(STDERR_FILENO, "it cannot be run: %s\n", strerror(errno));
	_exit(127);
}

int
trial_run(struct master *m, const struct codec *c, const char **step)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = &m->upgrade };
	struct trial *t = &m->upgrade.trial;
	struct closing closing;
	int pair[2], error = 0, state;

	*step = "memory";
	state = program_state(c);
	if (state < 0)
		return (state);
	*step = "pipe";
	if (pipe2(pair, O_CLOEXEC) != 0) {
		error = -errno;
		fd_close(&state);
		return (error);
	}
	*step = "fork";
	closing_begin(&closing);
	fflush(NULL);
	t->pid = fork();
	if (t->pid == 0)
		become_trial(m, c, state, pair[1]);
	error = t->pid < 0 ? -errno : 0;
	/* Until the other program runs: what it has is closed there at once. */
	closing_await(&closing, t->pid > 0);
	fd_close(&pair[1]);
	fd_close(&state);
	t->output = pair[0];
	(void)fcntl(t->output, F_SETFL, O_NONBLOCK);
	/* Unheard, it is read when it has ended, or has run out of time. */
	(void)epoll_ctl(m->epoll_fd, EPOLL_CTL_ADD, t->output, &ev);
	if (t->pid < 0)
		t->pid = 0;
	return (error);
}

/* Keeps the beginning. */
bool
trial_hear(struct trial *t)
{
	char buf[4096];
	ssize_t n = -1;
	size_t room;
	int i;

	if (t->output == -1)
		return (false);
	for (i = 0; i < READS_MAX; i++) {
		n = read(t->output, buf, sizeof(buf));
		if (n <= 0)
			break;
		room = sizeof(t->said) - 1 - t->nsaid;
		if ((size_t)n < room)
			room = (size_t)n;
		memcpy(t->said + t->nsaid, buf, room);
		t->nsaid += room;
	}
	t->said[t->nsaid] = '\0';
	return (n != 0);
}

void
trial_tell(struct trial *t, const char *program, enum log_level level,
    struct findings *f)
{
	char *line, *rest = t->said;
	int n = 0;

	while (n++ < LINES_MAX && (line = strsep(&rest, "\n")) != NULL)
		if (line[0] != '\0')
			findings_add(
			    f, level, "upgrade: %s: %s", program, line);
}

void
trial_close_output(struct master *m)
{
	if (m->upgrade.trial.output != -1)
		(void)epoll_ctl(
		    m->epoll_fd, EPOLL_CTL_DEL, m->upgrade.trial.output, NULL);
	fd_close(&m->upgrade.trial.output);
}

void
trial_kill(const struct trial *t)
{
	if (t->pid > 0)
		(void)kill(t->pid, SIGKILL);
}

void
trial_close(struct master *m)
{
	trial_close_output(m);
	fd_close(&m->upgrade.trial.exe);
}
