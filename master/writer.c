/* Starts writers of logs, and lets them go on where others have ended. */
#include "master/writer.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "master/private.h"
#include "master/writer_state.h"

/* What waits in the pipe at most, besides what workers keep themselves. Where
 * the kernel grants no more it is 64 KiB. */
#define PIPE_BYTES (256 * 1024)

/* For a writer that was told to leave, and for one that was killed: who is not
 * gone by then is stuck in a disk. */
#define LEAVE_PATIENCE (1 * CLOCK_SEC)
#define KILL_PATIENCE  (200 * CLOCK_MSEC)

/* One that does not live longer is not replaced at once. */
#define RESTART_DELAY (1 * CLOCK_SEC)

/* What was read and is not written yet; its length. */
static size_t
unwritten(const struct writer_state *s, const char **p, size_t *done)
{
	uint64_t at = atomic_load(&s->at);

	*done = (uint32_t)at < WRITER_BUFFER ? (uint32_t)at : WRITER_BUFFER;
	*p = s->buffer[at >> 32 & 1] + *done;
	return (strnlen(*p, WRITER_BUFFER - *done));
}

/* Begins with what another has left, and with the part that is written already
 * of its first line, since another file has nothing of that. */
static void
state_inherit(struct writer_state *s, const struct writer_state *old)
{
	size_t done, len, part = 0;
	const char *p;

	len = unwritten(old, &p, &done);
	while (len > 0 && part < done && p[-1] != '\n') {
		p--;
		part++;
	}
	memcpy(s->buffer[0], p, part + len);
	atomic_store(&s->at, part);
	atomic_store(&s->written, atomic_load(&old->written));
	s->device = old->device;
	s->inode = old->inode;
}

/* Forks one that shares this state. */
static int
launch(
    const struct writer *w, struct writer_state *state, pid_t *pid, int *status)
{
	struct writer child = *w;
	int pair[2], error = 0;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
		return (-errno);
	child.state = state;
	*pid = private_fork(state, sizeof(*state));
	if (*pid == 0)
		writer_run(&child, pair[1]);
	if (*pid < 0) {
		error = -errno;
		*pid = 0; /* a signal to -1 would reach everybody */
	}
	fd_close(&pair[1]);
	if (error != 0)
		fd_close(&pair[0]);
	*status = pair[0];
	return (error);
}

static void
command(int status, int message)
{
	(void)send(
	    status, &message, sizeof(message), MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* Waits until it has opened its target. 0 or -errno; -ECHILD: it died. */
static int
await_open(int status)
{
	struct pollfd fd = { .fd = status, .events = POLLIN };
	int64_t until = clock_now() + WRITER_OPEN_PATIENCE, left;
	int error;

	do {
		left = until - clock_now();
		if (left <= 0)
			return (-ETIMEDOUT);
	} while (poll(&fd, 1, (int)(left / CLOCK_MSEC) + 1) <= 0);
	if (recv(status, &error, sizeof(error), MSG_DONTWAIT) != sizeof(error))
		return (-ECHILD);
	return (error);
}

/* Waits for a child's end. False: it has not come. */
static bool
await_end(pid_t pid, int64_t patience)
{
	int64_t until = clock_now() + patience;
	pid_t gone;

	for (;;) {
		gone = waitpid(pid, NULL, WNOHANG);
		if (gone == pid || (gone < 0 && errno == ECHILD))
			return (true);
		if (clock_now() >= until)
			return (false);
		(void)poll(NULL, 0, 2);
	}
}

/* One that is stuck does not read any more, whenever it dies. */
static void
end_child(pid_t pid, int64_t patience)
{
	if (pid <= 0 || (patience > 0 && await_end(pid, patience)))
		return;
	(void)kill(pid, SIGKILL);
	(void)await_end(pid, KILL_PATIENCE);
}

static int
open_pipe(struct writer *w)
{
	int pair[2];

	if (pipe2(pair, O_CLOEXEC | O_NONBLOCK) != 0)
		return (-errno);
	(void)fcntl(pair[1], F_SETPIPE_SZ, PIPE_BYTES);
	/* A worker of our user cannot open it anew and take lines away. */
	(void)fchmod(pair[1], S_IWUSR);
	w->source = pair[0];
	w->lines = pair[1];
	return (0);
}

int
writer_open(struct writer *w, const char *target, const struct run_as *run_as,
    const struct writer_forget *forget)
{
	int error;

	*w = (struct writer){ .target = target,
		.run_as = *run_as,
		.forget = *forget,
		.lines = -1,
		.source = -1,
		.status = -1,
		.memory = -1,
		.start_at = CLOCK_NEVER,
		.started = clock_now() };
	w->state = private_new(sizeof(*w->state), &w->memory);
	error = w->state != NULL ? open_pipe(w) : -ENOMEM;
	if (error == 0)
		error = launch(w, w->state, &w->pid, &w->status);
	if (error == 0)
		error = await_open(w->status);
	if (error != 0)
		writer_close(w);
	else
		command(w->status, WRITER_GO);
	return (error);
}

void
writer_close(struct writer *w)
{
	end_child(w->pid, 0);
	w->pid = 0;
	fd_close(&w->status);
	fd_close(&w->lines);
	fd_close(&w->source);
	private_free(w->state, sizeof(*w->state), &w->memory);
	w->state = NULL;
}

int
writer_reopen(struct writer *w, const struct run_as *run_as)
{
	int error, status = -1, memory = -1;
	struct writer_state *state = private_new(sizeof(*state), &memory);
	struct run_as before = w->run_as;
	pid_t pid = 0;

	if (state == NULL)
		return (-ENOMEM);
	w->run_as = *run_as;
	error = launch(w, state, &pid, &status);
	if (error == 0)
		error = await_open(status);
	if (error != 0) {
		w->run_as = before;
		end_child(pid, 0);
		fd_close(&status);
		private_free(state, sizeof(*state), &memory);
		return (error);
	}
	if (w->status != -1)
		command(w->status, WRITER_LEAVE);
	end_child(w->pid, LEAVE_PATIENCE);
	fd_close(&w->status);
	state_inherit(state, w->state);
	private_free(w->state, sizeof(*w->state), &w->memory);
	w->state = state;
	w->memory = memory;
	w->pid = pid;
	w->status = status;
	w->start_at = CLOCK_NEVER;
	w->started = clock_now();
	command(status, WRITER_GO);
	return (0);
}

bool
writer_reaped(struct writer *w, pid_t pid, int status, int64_t now)
{
	if (w->pid != pid)
		return (false);
	w->pid = 0;
	fd_close(&w->status);
	w->ended = status == 0;
	if (w->ended)
		return (true);
	w->start_at =
	    now - w->started < RESTART_DELAY ? w->started + RESTART_DELAY : now;
	return (true);
}

int64_t
writer_tick(struct writer *w, int64_t now)
{
	struct writer_state *state;
	int memory = -1;

	if (w->start_at > now)
		return (w->start_at);
	w->started = now;
	w->start_at = now + RESTART_DELAY;
	state = private_new(sizeof(*state), &memory);
	if (state == NULL)
		return (w->start_at);
	state_inherit(state, w->state);
	if (launch(w, state, &w->pid, &w->status) != 0) {
		w->pid = 0;
		w->status = -1;
		private_free(state, sizeof(*state), &memory);
		return (w->start_at);
	}
	private_free(w->state, sizeof(*w->state), &w->memory);
	w->state = state;
	w->memory = memory;
	w->start_at = CLOCK_NEVER;
	command(w->status, WRITER_GO);
	return (CLOCK_NEVER);
}

int
writer_receive(struct writer *w, int *error)
{
	ssize_t n = recv(w->status, error, sizeof(*error), MSG_DONTWAIT);

	if (n == sizeof(*error))
		return (1);
	return (n < 0 && (errno == EAGAIN || errno == EINTR) ? -EAGAIN : 0);
}

void
writer_end(struct writer *w)
{
	if (w->pid == 0 || w->ending == w->pid)
		return;
	command(w->status, WRITER_END);
	w->ending = w->pid;
}

size_t
writer_waiting(const struct writer *w)
{
	const char *p;
	size_t done;
	int n = 0;

	(void)ioctl(w->source, FIONREAD, &n);
	return ((size_t)n + unwritten(w->state, &p, &done));
}

uint64_t
writer_written(const struct writer *w)
{
	return (atomic_load(&w->state->written));
}

bool
writer_ended(const struct writer *w)
{
	return (w->ended);
}

void
writer_abandon(struct writer *w,
    void (*lost)(void *arg, const char *line, size_t len), void *arg)
{
	char text[2 * WRITER_BUFFER];
	const char *p, *end;
	size_t len, done;
	ssize_t n;

	end_child(w->pid, 0);
	w->pid = 0;
	w->start_at = CLOCK_NEVER;
	len = unwritten(w->state, &p, &done);
	memcpy(text, p, len);
	for (;;) {
		n = read(w->source, text + len, sizeof(text) - len);
		if (n > 0)
			len += (size_t)n;
		for (p = text; (end = memchr(p, '\n', len)) != NULL;
		     p = end + 1) {
			lost(arg, p, (size_t)(end - p) + 1);
			len -= (size_t)(end - p) + 1;
		}
		if (n <= 0)
			return;
		memmove(text, p, len);
	}
}
