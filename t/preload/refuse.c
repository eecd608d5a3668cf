/*
 * Preloaded into sniport: a worker is refused a step of giving up privileges.
 * The file that REFUSE_FILE names begins with the name of the call that fails,
 * in a child that sniport has forked, as long as it is there.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

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
	const char *name = getenv("REFUSE_FILE");
	int fd = name != NULL ? open(name, O_RDONLY | O_CLOEXEC) : -1;
	void *map;

	if (fd == -1)
		abort();
	map = mmap(NULL, NAME_SIZE, PROT_READ, MAP_SHARED, fd, 0);
	close(fd);
	if (map == MAP_FAILED || pthread_atfork(NULL, NULL, forked) != 0)
		abort();
	refused = map;
}

static bool
refuses(const char *name)
{
	if (!in_child || strncmp(refused, name, NAME_SIZE) != 0)
		return (false);
	errno = EPERM;
	return (true);
}

static void *
real(const char *name)
{
	void *function = dlsym(RTLD_NEXT, name);

	if (function == NULL)
		abort();
	return (function);
}

int
setgroups(size_t n, const gid_t *groups)
{
	int (*next)(size_t, const gid_t *) =
	    (int (*)(size_t, const gid_t *))real("setgroups");

	return (refuses("setgroups") ? -1 : next(n, groups));
}

int
setresgid(gid_t gid, gid_t egid, gid_t sgid)
{
	int (*next)(gid_t, gid_t, gid_t) =
	    (int (*)(gid_t, gid_t, gid_t))real("setresgid");

	return (refuses("setresgid") ? -1 : next(gid, egid, sgid));
}

int
setresuid(uid_t uid, uid_t euid, uid_t suid)
{
	int (*next)(uid_t, uid_t, uid_t) =
	    (int (*)(uid_t, uid_t, uid_t))real("setresuid");

	return (refuses("setresuid") ? -1 : next(uid, euid, suid));
}

/* The C library has no function for capset(2). */
long
syscall(long number, ...)
{
	static long (*next)(long, ...);
	long a[6];
	va_list list;

	if (next == NULL)
		next = (long (*)(long, ...))real("syscall");
	va_start(list, number);
	for (size_t i = 0; i < 6; i++)
		a[i] = va_arg(list, long);
	va_end(list);
	if (number == SYS_capset && refuses("capset"))
		return (-1);
	return (next(number, a[0], a[1], a[2], a[3], a[4], a[5]));
}
