/*
 * Preloaded into sniport: a worker is refused a step of giving up privileges.
 * The file that REFUSE_FILE names begins with the name of the call that fails,
 * in a child that sniport has forked, as long as it is there.
 */
#include <errno.h>
#include <grp.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "t/preload/preload.h"

/* Of the file, as the test writes it: a name and zeros behind it. */
#define NAME_SIZE 16

static const char *refused;
static bool in_child;

static void
forked(void)
{
	in_child = true;
}

static void __attribute__((constructor)) begin(void)
{
	if (pthread_atfork(NULL, NULL, forked) != 0)
		abort();
	refused = preload_share("REFUSE_FILE", NAME_SIZE, PROT_READ);
}

static bool
refuses(const char *name)
{
	if (!in_child || strncmp(refused, name, NAME_SIZE) != 0)
		return (false);
	errno = EPERM;
	return (true);
}

int
setgroups(size_t n, const gid_t *groups)
{
	int (*next)(size_t, const gid_t *) =
	    (int (*)(size_t, const gid_t *))preload_real("setgroups");

	return (refuses("setgroups") ? -1 : next(n, groups));
}

int
setresgid(gid_t gid, gid_t egid, gid_t sgid)
{
	int (*next)(gid_t, gid_t, gid_t) =
	    (int (*)(gid_t, gid_t, gid_t))preload_real("setresgid");

	return (refuses("setresgid") ? -1 : next(gid, egid, sgid));
}

int
setresuid(uid_t uid, uid_t euid, uid_t suid)
{
	int (*next)(uid_t, uid_t, uid_t) =
	    (int (*)(uid_t, uid_t, uid_t))preload_real("setresuid");

	return (refuses("setresuid") ? -1 : next(uid, euid, suid));
}

/* The C library has no function for capset(2). */
long
syscall(long number, ...)
{
	static long (*next)(long, ...);
	long a[6];

	if (next == NULL)
		next = (long (*)(long, ...))preload_real("syscall");
	PRELOAD_ARGUMENTS(a, number);
	if (number == SYS_capset && refuses("capset"))
		return (-1);
	return (next(number, a[0], a[1], a[2], a[3], a[4], a[5]));
}
