/* Takes a writer of logs all system calls that it does not need. */
#include "master/writer_sandbox.h"

#include <dlfcn.h>
#include <errno.h>
#include <seccomp.h>
#include <stdbool.h>
#include <stddef.h>

static const int calls[] = { SCMP_SYS(read), SCMP_SYS(write), SCMP_SYS(close),
	/* messages with the master */
	SCMP_SYS(recvfrom), SCMP_SYS(sendto),
	/* poll(2), which may be the other one, also after a stop */
	SCMP_SYS(poll), SCMP_SYS(ppoll), SCMP_SYS(restart_syscall),
	SCMP_SYS(rt_sigreturn), SCMP_SYS(exit_group),
	/* fstat(2), for who looks what a descriptor is */
	SCMP_SYS(fstat), SCMP_SYS(newfstatat) };

static bool
has_companion(void)
{
	return (dlsym(RTLD_DEFAULT, "__sanitizer_set_death_callback") != NULL ||
		dlsym(RTLD_DEFAULT, "_vgnU_freeres") != NULL);
}

void
writer_sandbox_enter(void)
{
	scmp_filter_ctx filter;
	int error = 0;

	if (has_companion())
		return;
	filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	if (filter == NULL)
		return;
	for (size_t i = 0; error == 0 && i < sizeof(calls) / sizeof(calls[0]);
	     i++)
		error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, calls[i], 0);
	if (error == 0)
		(void)seccomp_load(filter);
	seccomp_release(filter);
}
