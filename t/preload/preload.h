/*
 * What libraries that are preloaded into sniport have in common: the function
 * that they stand before, a file that they share with the test, and the word
 * with which a client has a worker do something.
 */
#ifndef T_PRELOAD_H
#define T_PRELOAD_H

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

/* The function of that name that would be called without this library. */
static inline void *
preload_real(const char *name)
{
	void *function = dlsym(RTLD_NEXT, name);

	if (function == NULL)
		abort();
	return (function);
}

/*
 * The first `size` bytes of the file that a variable of the environment names,
 * as the test sees them: PROT_READ, or PROT_READ | PROT_WRITE.
 */
static inline void *
preload_share(const char *variable, size_t size, int protection)
{
	const char *name = getenv(variable);
	int mode = (protection & PROT_WRITE) != 0 ? O_RDWR : O_RDONLY;
	int fd = name != NULL ? open(name, mode | O_CLOEXEC) : -1;
	void *map;

	if (fd == -1)
		abort();
	map = mmap(NULL, size, protection, MAP_SHARED, fd, 0);
	close(fd);
	if (map == MAP_FAILED)
		abort();
	return (map);
}

/*
 * Receives as recv(2), and finds what a client asks for: its ClientHello holds
 * the server name, WORD and `tail`, as it is. Where that is among the bytes,
 * `word` is called. A word has lower-case letters and "-".
 */
static inline ssize_t
preload_recv(int fd, void *buf, size_t size, int flags, const char *tail,
    void (*word)(const char *word, size_t len))
{
	ssize_t n = recvfrom(fd, buf, size, flags, NULL, NULL);
	int saved = errno;
	const char *begin, *end;

	end = n <= 0 ? NULL : memmem(buf, (size_t)n, tail, strlen(tail));
	for (begin = end;
	     begin != NULL && begin > (const char *)buf &&
	     ((begin[-1] >= 'a' && begin[-1] <= 'z') || begin[-1] == '-');
	     begin--)
		;
	if (begin != NULL)
		word(begin, (size_t)(end - begin));
	errno = saved;
	return (n);
}

/*
 * The six arguments that a system call can have, from those of syscall(3).
 * There is always something to be taken: registers and the stack.
 */
#define PRELOAD_ARGUMENTS(a, number)                 \
	do {                                         \
		va_list ap_;                         \
		size_t i_;                           \
                                                     \
		va_start(ap_, number);               \
		for (i_ = 0; i_ < 6; i_++)           \
			(a)[i_] = va_arg(ap_, long); \
		va_end(ap_);                         \
	} while (0)

#endif
