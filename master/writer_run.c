/* The process that writes a log: reads a pipe and appends to a file. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "master/log_file.h"
#include "master/writer_sandbox.h"
#include "master/writer_state.h"

/* A write that failed is tried again after this, and in all so often once
 * nobody is left who would tell us to give up. */
#define RETRY_MSEC 500
#define RETRY_MAX  20

/* After a small batch, so that a busy log takes few calls. */
#define NAP_MSEC 5
#define BATCH	 (16 * 1024)

struct run {
	struct writer_state *state;
	int source, status, file;
	bool
	    by_line; /* others may write there, and only lines are kept whole */
	bool ending;
	int error; /* that the master knows of */
	unsigned retries;
};

static void
tell(const struct run *r, int error)
{
	if (r->status != -1)
		(void)send(r->status, &error, sizeof(error),
		    MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void
report(struct run *r, int error)
{
	if (error != r->error)
		tell(r, error);
	r->error = error;
	r->retries = 0;
}

/* False: the master wants us to leave. */
static bool
listen_to_master(struct run *r)
{
	int message;
	ssize_t n = recv(r->status, &message, sizeof(message), MSG_DONTWAIT);

	if (n == (ssize_t)sizeof(message)) {
		r->ending = message == WRITER_END;
		return (message != WRITER_LEAVE);
	}
	/* Without a master the workers' lines are still to be written. */
	if (n >= 0 || (errno != EAGAIN && errno != EINTR))
		fd_close(&r->status);
	return (true);
}

/* Waits for the source, if asked to, or for so long. False: leave. */
static bool
rest(struct run *r, bool for_lines, int msec)
{
	struct pollfd fds[2] = { { .fd = r->status, .events = POLLIN },
		{ .fd = for_lines ? r->source : -1, .events = POLLIN } };

	if (poll(fds, 2, msec) <= 0)
		return (true);
	return (fds[0].revents == 0 || listen_to_master(r));
}

static char *
buffer_of(const struct run *r, uint64_t at)
{
	return (r->state->buffer[at >> 32 & 1]);
}

/* How many of the bytes go into one write. */
static size_t
portion(const struct run *r, const char *p, size_t len)
{
	const char *end = r->by_line ? memchr(p, '\n', len) : NULL;

	return (end != NULL ? (size_t)(end - p) + 1 : len);
}

/* Writes the buffer up to its end. False: leave. */
static bool
put(struct run *r, size_t end)
{
	uint64_t at = atomic_load(&r->state->at);
	const char *p;
	ssize_t n;

	while ((uint32_t)at < end) {
		p = buffer_of(r, at) + (uint32_t)at;
		n = write(r->file, p, portion(r, p, end - (uint32_t)at));
		if (n > 0) {
			at += (uint64_t)n;
			atomic_store(&r->state->at, at);
			atomic_fetch_add(&r->state->written, (uint64_t)n);
			report(r, 0);
			continue;
		}
		if (n < 0 && errno == EINTR)
			continue;
		/* A stream that somebody else has made non-blocking. */
		if (n < 0 && errno != EAGAIN)
			report(r, -errno);
		if (r->status == -1 && ++r->retries > RETRY_MAX)
			return (false);
		if (!rest(r, false,
			n < 0 && errno == EAGAIN ? NAP_MSEC : RETRY_MSEC))
			return (false);
	}
	return (true);
}

/* The rest of a line begins the other buffer; the next read completes it. */
static void
turn_over(struct run *r, size_t end, size_t len)
{
	uint64_t at = atomic_load(&r->state->at);
	uint64_t other = (at >> 32 & 1) ^ 1;

	memcpy(r->state->buffer[other], buffer_of(r, at) + end, len - end);
	atomic_store(&r->state->at, other << 32);
	memset(buffer_of(r, at), 0, len);
}

/* Where the last whole line ends. */
static size_t
whole_lines(const char *p, size_t len)
{
	const char *last = memrchr(p, '\n', len);

	/* No line of ours is longer than the buffer. */
	if (last == NULL)
		return (len < WRITER_BUFFER ? 0 : len);
	return ((size_t)(last - p) + 1);
}

/* False: no more will come. */
static bool
take(struct run *r, size_t *len)
{
	char *p = buffer_of(r, atomic_load(&r->state->at));
	ssize_t n;

	n = read(r->source, p + *len, WRITER_BUFFER - *len);
	if (n > 0)
		*len += (size_t)n;
	if (n >= 0)
		return (n > 0);
	if (errno == EAGAIN && r->ending)
		return (false);
	return (errno == EAGAIN || errno == EINTR);
}

/* Reads and writes until no more will come, or the master wants us to leave. */
static void
copy(struct run *r)
{
	/* What one before us has left. */
	size_t len = strnlen(r->state->buffer[0], WRITER_BUFFER), end, batch;
	bool more = true;

	for (;;) {
		batch = len;
		end =
		    whole_lines(buffer_of(r, atomic_load(&r->state->at)), len);
		if (!more)
			end = len;
		if (!put(r, end))
			return;
		turn_over(r, end, len);
		len -= end;
		if (!more)
			return;
		if (batch > 0 && batch < BATCH && !r->ending &&
		    !rest(r, false, NAP_MSEC))
			return;
		if (!rest(r, true, r->ending ? 0 : -1))
			return;
		more = take(r, &len);
	}
}

/* A signal to the whole process group is the master's to answer. */
static void
set_signals(void)
{
	static const int ignored[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM,
		SIGUSR1, SIGUSR2, SIGPIPE, SIGXFSZ };
	sigset_t none;

	for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
		(void)signal(ignored[i], SIG_IGN);
	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

/* It can do nothing but write this file then. */
static int
prepare(struct run *r, const struct writer *w)
{
	struct run_as run_as = w->run_as;
	int keep[] = { r->source, r->status };
	const char *step;
	struct stat st;
	int error;

	w->forget.call(w->forget.arg);
	set_signals();
	(void)prctl(PR_SET_NAME, "sniport-log", 0, 0, 0);
	/* Listening sockets must not stay open with us, nor the pipe's other
	 * end. */
	error = fd_close_others(keep, sizeof(keep) / sizeof(keep[0]));
	if (error != 0)
		return (error);
	r->file = log_file_open(w->target);
	if (r->file < 0)
		return (r->file);
	/* Of files alone the kernel appends any number of bytes at once. */
	r->by_line = fstat(r->file, &st) != 0 || !S_ISREG(st.st_mode);
	run_as.keep = 0;
	/* Who may not become that user has workers that say so, and end. */
	(void)privilege_drop(&run_as, &step);
	writer_sandbox_enter();
	return (0);
}

/* The part of a line that one before us has written is not in our file, if that
 * is another one, or was emptied. */
static void
begin(const struct run *r)
{
	struct writer_state *s = r->state;
	struct stat st = { 0 };

	if (fstat(r->file, &st) != 0 || st.st_dev != s->device ||
	    st.st_ino != s->inode || (!r->by_line && st.st_size == 0))
		atomic_store(&s->at, 0);
	s->device = st.st_dev;
	s->inode = st.st_ino;
}

_Noreturn void
writer_run(const struct writer *w, int status)
{
	struct run r = {
		.state = w->state, .source = w->source, .status = status
	};
	int error = prepare(&r, w), message;

	tell(&r, error);
	if (error != 0)
		_exit(EXIT_FAILURE);
	if (recv(status, &message, sizeof(message), 0) == sizeof(message) &&
	    message == WRITER_GO) {
		begin(&r);
		copy(&r);
	}
	_exit(EXIT_SUCCESS);
}
