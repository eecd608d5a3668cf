/*
 * Preloaded into sniport: a disk that hangs. While the file that HANG_FILE
 * names begins with "1", write(2) to a regular file does not return, and
 * neither does open(2) that would make one; "0" lets all go on. They wait by
 * poll(2), which a sandbox permits.
 */
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "t/preload/preload.h"

static const volatile char *hangs;

static void __attribute__((constructor)) begin(void)
{
	hangs = preload_share("HANG_FILE", 1, PROT_READ);
}

static void
hang(void)
{
	while (hangs != NULL && *hangs == '1')
		poll(NULL, 0, 5);
}

ssize_t
write(int fd, const void *buf, size_t n)
{
	static ssize_t (*next)(int, const void *, size_t);
	struct stat st;

	if (next == NULL)
		next = preload_real("write");
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		hang();
	return (next(fd, buf, n));
}

/* open(2) with its mode, whatever it is called here. */
#define OPEN(name)                                          \
	int name(const char *path, int flags, ...);         \
	int name(const char *path, int flags, ...)          \
	{                                                   \
		static int (*next)(const char *, int, ...); \
		mode_t mode = 0;                            \
		va_list ap;                                 \
                                                            \
		if (next == NULL)                           \
			next = preload_real(#name);         \
		if ((flags & O_CREAT) != 0) {               \
			va_start(ap, flags);                \
			mode = va_arg(ap, mode_t);          \
			va_end(ap);                         \
			hang();                             \
		}                                           \
		return (next(path, flags, mode));           \
	}

OPEN(open)
OPEN(open64)
