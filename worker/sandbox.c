/* Composes and installs the seccomp filter of a worker. */
#include "worker/sandbox.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <seccomp.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/boot.h"
#include "common/log/log.h"
#include "worker/sandbox_files.h"
#include "worker/sandbox_load.h"
#include "worker/sandbox_rule.h"
#include "worker/sandbox_sockets.h"

/* Permitted whatever their arguments are. */
static const int calls[] = {
	/* tunnels, listeners and name servers; not sendmsg(2), by which others
	 * would get descriptors of ours */
	SCMP_SYS(accept4), SCMP_SYS(connect), SCMP_SYS(getsockname),
	SCMP_SYS(getsockopt), SCMP_SYS(shutdown), SCMP_SYS(recvfrom),
	SCMP_SYS(sendto),
	/* descriptors */
	SCMP_SYS(close), SCMP_SYS(read), SCMP_SYS(readv), SCMP_SYS(write),
	SCMP_SYS(writev), SCMP_SYS(lseek), SCMP_SYS(fstat),
	SCMP_SYS(newfstatat),
	/* the loop and the time; the vDSO has not every clock of every host */
	SCMP_SYS(epoll_ctl), SCMP_SYS(epoll_pwait), SCMP_SYS(epoll_pwait2),
	SCMP_SYS(epoll_wait), SCMP_SYS(poll), SCMP_SYS(ppoll),
	SCMP_SYS(clock_gettime), SCMP_SYS(gettimeofday), SCMP_SYS(time),
	/* memory, of jemalloc and of glibc */
	SCMP_SYS(brk), SCMP_SYS(madvise), SCMP_SYS(munmap),
	/* locks and once-only calls in libraries */
	SCMP_SYS(futex), SCMP_SYS(getpid), SCMP_SYS(gettid),
	SCMP_SYS(getrandom),
	/* gethostname(3), by which c-ares (1.34) looks for a domain */
	SCMP_SYS(uname),
	/* qsort(3) of glibc before 2.37, of more than 1 KiB */
	SCMP_SYS(sysinfo),
	/* a stop and its continuation, abort(3), the end */
	SCMP_SYS(restart_syscall), SCMP_SYS(rt_sigaction),
	SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn), SCMP_SYS(exit_group)
};

/* What tells reading from all else that open(2) does. */
#define OPEN_BITS (O_ACCMODE | O_CREAT | O_TRUNC)

/* Permitted when all conditions of a line hold. */
static const struct sandbox_rule conditional[] = {
	/* No new code. OpenSSL has loaded what it uses before the fork. */
	{ SCMP_SYS(mmap), { { 2, PROT_EXEC, 0 } } },
	{ SCMP_SYS(mprotect), { { 2, PROT_EXEC, 0 } } },
	{ SCMP_SYS(openat), { { 2, OPEN_BITS, O_RDONLY } } },
	/* Who peeks at a message has the connection in it, too, which the
	 * master may yet take back and give to another. */
	{ SCMP_SYS(recvmsg), { { 2, MSG_PEEK, 0 } } },
	{ SCMP_SYS(fcntl), { { 1, SANDBOX_ALL, F_GETFD } } },
	{ SCMP_SYS(fcntl), { { 1, SANDBOX_ALL, F_SETFD } } },
	{ SCMP_SYS(fcntl), { { 1, SANDBOX_ALL, F_GETFL } } },
	/* a listener is closed so */
	{ SCMP_SYS(dup3), { { 0, SANDBOX_ALL, STDIN_FILENO } } },
	{ SCMP_SYS(ioctl), { { 1, SANDBOX_ALL, SIOCOUTQ } } },
	{ SCMP_SYS(ioctl), { { 1, SANDBOX_ALL, FIONREAD } } },
	/* isatty(3), which stdio asks when it reads a device */
	{ SCMP_SYS(ioctl), { { 1, SANDBOX_ALL, TCGETS } } },
	/* if_nametoindex(3), for a name server such as fe80::1%eth0 */
	{ SCMP_SYS(ioctl), { { 1, SANDBOX_ALL, SIOCGIFINDEX } } },
};

/* With SOCK_NONBLOCK and SOCK_CLOEXEC or without. */
#define TYPE(type)                                                   \
	{                                                            \
		1, ~(uint32_t)(SOCK_NONBLOCK | SOCK_CLOEXEC), (type) \
	}

/* No raw sockets, and no protocol whose module is then loaded. */
static const struct sandbox_condition sockets[][2] = {
	{ TYPE(SOCK_STREAM), { 2, SANDBOX_ALL, 0 } },
	{ TYPE(SOCK_STREAM), { 2, SANDBOX_ALL, IPPROTO_TCP } },
	{ TYPE(SOCK_DGRAM), { 2, SANDBOX_ALL, 0 } },
	{ TYPE(SOCK_DGRAM), { 2, SANDBOX_ALL, IPPROTO_UDP } },
};

static int
add_sockets(scmp_filter_ctx filter)
{
	static const uint32_t families[] = { AF_INET, AF_INET6 };
	/* Not for us, but if_nametoindex(3) tries it first; syslog's socket
	 * is there already. */
	static const struct sandbox_rule local = { SCMP_SYS(socket),
		{ { 0, SANDBOX_ALL, AF_UNIX } } };
	size_t i;
	int error;

	error = sandbox_rule_add(filter, SCMP_ACT_ERRNO(EAFNOSUPPORT), &local);
	for (i = 0; error == 0 && i < 2 * sizeof(sockets) / sizeof(sockets[0]);
	     i++) {
		const struct sandbox_rule rule = { SCMP_SYS(socket),
			{ { 0, SANDBOX_ALL, families[i % 2] },
			    sockets[i / 2][0], sockets[i / 2][1] } };

		error = sandbox_rule_add(filter, SCMP_ACT_ALLOW, &rule);
	}
	return (error);
}

/*
 * By mremap(2) a worker's mapping of its own part of the shared memory would
 * grow over the parts of others, which are in the same file. Who asks for it to
 * move a block of his own (glibc) copies it then.
 */
static int
refuse_growth(scmp_filter_ctx filter)
{
	return (seccomp_rule_add(
	    filter, SCMP_ACT_ERRNO(ENOMEM), SCMP_SYS(mremap), 0));
}

static int
add_rules(scmp_filter_ctx filter, const void *arg)
{
	const struct boot *boot = arg;
	/* abort(3); nobody else is to be sent a signal. */
	const struct sandbox_rule self = { SCMP_SYS(tgkill),
		{ { 0, SANDBOX_ALL, (uint32_t)getpid() } } };
	size_t i;
	int error = 0;

	for (i = 0; error == 0 && i < sizeof(calls) / sizeof(calls[0]); i++)
		error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, calls[i], 0);
	for (i = 0;
	     error == 0 && i < sizeof(conditional) / sizeof(conditional[0]);
	     i++)
		error =
		    sandbox_rule_add(filter, SCMP_ACT_ALLOW, &conditional[i]);
	if (error == 0)
		error = sandbox_rule_add(filter, SCMP_ACT_ALLOW, &self);
	if (error == 0)
		error = refuse_growth(filter);
	if (error == 0)
		error = add_sockets(filter);
	return (error == 0 ? sandbox_allow_options(filter, boot->conf) : error);
}

/* Linux before 4.14 has only the second; of one thread it is the same. */
static int
restrict_calls(const struct boot *boot, const char **step)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);

	if (filter == NULL)
		filter = seccomp_init(SCMP_ACT_KILL);
	return (sandbox_load(filter, add_rules, boot, step));
}

const char *
sandbox_companion(void)
{
	static const struct {
		const char *symbol, *name;
	} table[] = {
		{ "__sanitizer_set_death_callback", "a sanitizer" },
		{ "_vgnU_freeres", "valgrind" },
	};
	size_t i;

	for (i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (dlsym(RTLD_DEFAULT, table[i].symbol) != NULL)
			return (table[i].name);
	return (NULL);
}

int
sandbox_enter(const struct boot *boot)
{
	const char *who = sandbox_companion(), *step = NULL;
	int error;

	if (who != NULL) {
		log_write(boot->log, LOG_LEVEL_DEBUG,
		    "sandbox: not entered, since %s is there", who);
		return (0);
	}
	/* In this order, since seccomp forbids what Landlock takes, and the
	 * last filter that there is another one. */
	error = sandbox_restrict_files(boot, &step);
	if (error == 0)
		error = sandbox_guard_shared(boot, &step);
	if (error == 0)
		error = restrict_calls(boot, &step);
	if (error != 0)
		log_write(boot->log, LOG_LEVEL_ERROR, "sandbox: %s: %s", step,
		    strerrordesc_np(-error));
	return (error);
}
