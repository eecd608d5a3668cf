/*
 * Preloaded into sniport: a disk that hangs. While the file that HANG_FILE
 * names begins with "1", write(2) to a regular file does not return, and
 * neither does open(2) that would make one; "0" lets all go on. They wait by
 * poll(2), which a sandbox permits.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static const volatile char *hangs;

static void __attribute__((constructor)) begin(void)
{
	const char *name = getenv("HANG_FILE");
	int fd = name != NULL ? open(name, O_RDONLY | O_CLOEXEC) : -1;
	void *map;

	if (fd == -1)
		abort();
	map = mmap(NULL, 1, PROT_READ, MAP_SHARED, fd, 0);
	close(fd);
	if (map == MAP_FAILED)
		abort();
	hangs = map;
}

static void
hang(void)
{
	while (hangs != NULL && *hangs == '1')
		poll(NULL, 0, 5);
}

static void *
real(const char *name)
{
	void *function = dlsym(RTLD_NEXT, name);

	if (function == NULL)
		abort();
	return (function);
}

ssize_t
write(int fd, const void *buf, size_t n)
{
	static ssize_t (*next)(int, const void *, size_t);
	struct stat st;

	if (next == NULL)
		next = real("write");
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
			next = real(#name);                 \
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
