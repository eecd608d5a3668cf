/* The process that writes what a dead worker has left. */
#include <dlfcn.h>
#include <errno.h>
#include <poll.h>
#include <seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "common/log/sink.h"
#include "master/scribe_state.h"

#define RETRY_MSEC 20

static void
set_signals(void)
{
	static const int ignored[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM,
		SIGUSR1, SIGUSR2, SIGPIPE, SIGXFSZ };
	sigset_t none;
	size_t i;

	for (i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
		(void)signal(ignored[i], SIG_IGN);
	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

/* By its sink, to a syslog daemon that came anew. */
static int
allow_connect(scmp_filter_ctx filter, int fd)
{
	const struct scmp_arg_cmp only = { 0, SCMP_CMP_MASKED_EQ, UINT32_MAX,
		(uint32_t)fd };
	struct stat st;

	if (fstat(fd, &st) != 0 || !S_ISSOCK(st.st_mode))
		return (0);
	return (seccomp_rule_add_array(
	    filter, SCMP_ACT_ALLOW, SCMP_SYS(connect), 1, &only));
}

/* It may write what is open, and take memory. Other calls end it. */
static int
enter_sandbox(int fd)
{
	static const int calls[] = { SCMP_SYS(write), SCMP_SYS(writev),
		SCMP_SYS(sendto), SCMP_SYS(poll), SCMP_SYS(ppoll),
		SCMP_SYS(restart_syscall), SCMP_SYS(clock_gettime),
		SCMP_SYS(gettimeofday), SCMP_SYS(time), SCMP_SYS(brk),
		SCMP_SYS(madvise), SCMP_SYS(munmap), SCMP_SYS(futex),
		SCMP_SYS(fstat), SCMP_SYS(newfstatat), SCMP_SYS(getpid),
		SCMP_SYS(rt_sigreturn), SCMP_SYS(exit_group) };
	/* Memory without a file, in which no code can be run. */
	const struct scmp_arg_cmp plain[] = {
		{ 2, SCMP_CMP_MASKED_EQ, PROT_EXEC, 0 },
		{ 4, SCMP_CMP_MASKED_EQ, UINT32_MAX, UINT32_MAX },
	};
	scmp_filter_ctx filter;
	size_t i;
	int error = 0;

	if (dlsym(RTLD_DEFAULT, "__sanitizer_set_death_callback") != NULL ||
	    dlsym(RTLD_DEFAULT, "_vgnU_freeres") != NULL)
		return (0);
	filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
	if (filter == NULL)
		return (-ENOMEM);
	for (i = 0; error == 0 && i < sizeof(calls) / sizeof(calls[0]); i++)
		error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, calls[i], 0);
	if (error == 0)
		error = seccomp_rule_add_array(
		    filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 2, plain);
	if (error == 0)
		error = allow_connect(filter, fd);
	if (error == 0)
		error = seccomp_load(filter);
	seccomp_release(filter);
	return (error);
}

static int
prepare(const struct scribe *s)
{
	struct run_as run_as = s->run_as;
	const char *step;
	int keep, error;

	(void)prctl(PR_SET_NAME, "sniport-scribe", 0, 0, 0);
	s->forget.call(s->forget.arg);
	set_signals();
	if (s->source.open(s->source.arg) != 0)
		_exit(SCRIBE_UNREADABLE);
	error = sink_own(s->audit);
	keep = sink_fd(s->audit);
	if (error == 0)
		error = fd_close_others(&keep, 1);
	run_as.keep = 0;
	if (error == 0)
		error = privilege_drop(&run_as, &step);
	return (error == 0 ? enter_sandbox(sink_fd(s->audit)) : error);
}

/* What it has not written, the master knows. */
static void
obey(const struct scribe *s)
{
	if (atomic_load(&s->state->leave) != 0)
		_exit(SCRIBE_LEFT);
}

/* Until its log has taken all. */
static void
drain(const struct scribe *s)
{
	while (!sink_flush(s->audit)) {
		obey(s);
		atomic_store(&s->state->waiting, 1);
		(void)poll(NULL, 0, RETRY_MSEC);
	}
	atomic_store(&s->state->waiting, 0);
}

/* One line after the other, so that what is counted is in the log. False: the
 * log takes it no more. */
static bool
put(const struct scribe *s, const char *line, size_t len)
{
	if (sink_write(s->audit, LOG_INFO, line, len) != 0)
		return (false);
	drain(s);
	return (sink_take_dropped(s->audit) == 0);
}

static void
count(const struct scribe *s)
{
	struct scribe_state *state = s->state;
	uint64_t at = 0;
	bool uncounted;

	atomic_store(&state->lines, 0);
	atomic_store(&state->uncounted, 0);
	for (; s->source.find(s->source.arg, &at, &uncounted); at++) {
		atomic_fetch_add(&state->lines, 1);
		atomic_fetch_add(&state->uncounted, uncounted);
	}
	atomic_store(&state->counted, SCRIBE_HAS_COUNTED);
	s->source.rewind(s->source.arg);
}

_Noreturn void
scribe_run(const struct scribe *s)
{
	struct scribe_state *state = s->state;
	char line[SINK_LINE_MAX];
	uint64_t at = atomic_load(&state->at);
	bool uncounted;
	size_t len;

	if (prepare(s) != 0)
		_exit(EXIT_FAILURE);
	if (atomic_load(&state->counted) == SCRIBE_COUNTS)
		count(s);
	while (s->source.find(s->source.arg, &at, &uncounted)) {
		obey(s);
		atomic_store(&state->at, at);
		len = s->source.compose(s->source.arg, line, sizeof(line));
		if (len > 0 && !put(s, line, len))
			_exit(EXIT_FAILURE);
		atomic_fetch_add(
		    len > 0 ? &state->written : &state->left_out, 1);
		atomic_store(&state->at, ++at);
	}
	_exit(EXIT_SUCCESS);
}
