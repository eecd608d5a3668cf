/* Composes and installs the sandbox of the admin process. */
#include "worker/admin/sandbox.h"

#include <errno.h>
#include <seccomp.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/boot.h"
#include "common/log/log.h"
#include "common/log/sink.h"
#include "worker/sandbox.h"
#include "worker/sandbox_files.h"
#include "worker/sandbox_load.h"
#include "worker/sandbox_rule.h"

/* Not sendmsg(2), by which others would get descriptors of ours. */
static const int calls[] = { SCMP_SYS(accept4), SCMP_SYS(recvfrom),
	SCMP_SYS(sendto), SCMP_SYS(close), SCMP_SYS(read), SCMP_SYS(write),
	SCMP_SYS(writev), SCMP_SYS(fstat), SCMP_SYS(newfstatat),
	SCMP_SYS(epoll_ctl), SCMP_SYS(epoll_pwait), SCMP_SYS(epoll_pwait2),
	SCMP_SYS(epoll_wait), SCMP_SYS(poll), SCMP_SYS(ppoll),
	SCMP_SYS(clock_gettime), SCMP_SYS(gettimeofday), SCMP_SYS(time),
	SCMP_SYS(brk), SCMP_SYS(madvise), SCMP_SYS(munmap), SCMP_SYS(futex),
	SCMP_SYS(getpid), SCMP_SYS(gettid), SCMP_SYS(getrandom),
	SCMP_SYS(sysinfo), SCMP_SYS(restart_syscall), SCMP_SYS(rt_sigaction),
	SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn),
	SCMP_SYS(exit_group) };

static const struct sandbox_rule conditional[] = {
	{ SCMP_SYS(mmap), { { 2, PROT_EXEC, 0 } } },
	{ SCMP_SYS(mprotect), { { 2, PROT_EXEC, 0 } } },
	{ SCMP_SYS(recvmsg), { { 2, MSG_PEEK, 0 } } },
	{ SCMP_SYS(getsockopt), { { 1, SANDBOX_ALL, SOL_SOCKET },
				    { 2, SANDBOX_ALL, SO_PEERCRED } } },
};

/* The master's sockets would be deaf for good. */
static int
forbid_shutdown(scmp_filter_ctx filter, const void *arg)
{
	const struct boot_admin *boot = arg;
	const int fds[] = { boot->http_fd, boot->operator_fd, STDIN_FILENO,
		STDOUT_FILENO, STDERR_FILENO };
	size_t i;
	int error = 0;

	for (i = 0; error == 0 && i < sizeof(fds) / sizeof(fds[0]); i++) {
		const struct sandbox_rule rule = { SCMP_SYS(shutdown),
			{ { 0, SANDBOX_ALL, (uint32_t)fds[i] } } };

		if (fds[i] != -1)
			error = sandbox_rule_add(filter, SCMP_ACT_KILL, &rule);
	}
	return (error);
}

/* By the log's sink, to a syslog daemon that came anew. */
static int
allow_connect(scmp_filter_ctx filter, int fd)
{
	const struct sandbox_rule rule = { SCMP_SYS(connect),
		{ { 0, SANDBOX_ALL, (uint32_t)fd } } };
	struct stat st;

	if (fstat(fd, &st) != 0 || !S_ISSOCK(st.st_mode))
		return (0);
	return (sandbox_rule_add(filter, SCMP_ACT_ALLOW, &rule));
}

static int
add_rules(scmp_filter_ctx filter, const void *arg)
{
	const struct boot_admin *boot = arg;
	/* abort(3) */
	const struct sandbox_rule self = { SCMP_SYS(tgkill),
		{ { 0, SANDBOX_ALL, (uint32_t)getpid() } } };
	size_t i;
	int error = 0;

	for (i = 0; error == 0 && i < sizeof(calls) / sizeof(calls[0]); i++)
		error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, calls[i], 0);
	if (error == 0)
		error = seccomp_rule_add(
		    filter, SCMP_ACT_ALLOW, SCMP_SYS(shutdown), 0);
	for (i = 0;
	     error == 0 && i < sizeof(conditional) / sizeof(conditional[0]);
	     i++)
		error =
		    sandbox_rule_add(filter, SCMP_ACT_ALLOW, &conditional[i]);
	if (error == 0)
		error = sandbox_rule_add(filter, SCMP_ACT_ALLOW, &self);
	if (error == 0)
		error = seccomp_rule_add(
		    filter, SCMP_ACT_ERRNO(ENOMEM), SCMP_SYS(mremap), 0);
	return (error == 0 ? allow_connect(filter, sink_fd(log_sink(boot->log)))
			   : error);
}

int
admin_sandbox_enter(const struct boot_admin *boot)
{
	const char *who = sandbox_companion(), *step = NULL;
	scmp_filter_ctx filter;
	int error;

	if (who != NULL) {
		log_write(boot->log, LOG_LEVEL_DEBUG,
		    "sandbox: not entered, since %s is there", who);
		return (0);
	}
	error = sandbox_close_files(&step);
	if (error == 0)
		error = sandbox_load(
		    seccomp_init(SCMP_ACT_ALLOW), forbid_shutdown, boot, &step);
	if (error == 0) {
		filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
		if (filter == NULL)
			filter = seccomp_init(SCMP_ACT_KILL);
		error = sandbox_load(filter, add_rules, boot, &step);
	}
	if (error != 0)
		log_write(boot->log, LOG_LEVEL_ERROR, "sandbox: %s: %s", step,
		    strerrordesc_np(-error));
	return (error);
}
