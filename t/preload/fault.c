/*
 * Preloaded into sniport: fails the N-th allocation or system call of a
 * worker. The file that FAULT_FILE names is shared with the test, which sets
 * `countdown` and then `kind`; `fired` tells that the fault has happened, and
 * `live` how many allocations of workers have not been freed.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "t/preload/preload.h"

enum kind {
	NOTHING,
	ALLOCATION,
	CALL
};

/* As the test packs it: four 32-bit integers. */
struct control {
	_Atomic uint32_t kind, countdown, fired;
	_Atomic int32_t live;
};

void sdallocx(void *, size_t, int flags);

static struct control *control;
static bool in_worker;

/* dlsym() itself allocates before the real functions are known. */
static char early[65536];
static size_t early_used;

static void
forked(void)
{
	in_worker = true;
}

static void __attribute__((constructor)) begin(void)
{
	if (pthread_atfork(NULL, NULL, forked) != 0)
		abort();
	control = preload_share(
	    "FAULT_FILE", sizeof(*control), PROT_READ | PROT_WRITE);
}

/* Is it this one's turn? */
static bool
fails(enum kind kind)
{
	if (!in_worker || control->kind != kind ||
	    atomic_fetch_sub(&control->countdown, 1) != 1)
		return (false);
	control->kind = NOTHING;
	control->fired = 1;
	return (true);
}

static void
count(int n)
{
	if (in_worker)
		control->live += n;
}

static bool
is_early(const void *p)
{
	return ((const char *)p >= early &&
		(const char *)p < early + sizeof(early));
}

void *
malloc(size_t size)
{
	static void *(*next)(size_t);
	void *p;

	if (next == NULL)
		next = preload_real("malloc");
	if (fails(ALLOCATION)) {
		errno = ENOMEM;
		return (NULL);
	}
	p = next(size);
	count(p != NULL);
	return (p);
}

void *
calloc(size_t n, size_t size)
{
	static void *(*next)(size_t, size_t);
	static bool looking;
	void *p;

	if (next == NULL && looking) {
		p = early + early_used;
		early_used += (n * size + 15) / 16 * 16;
		return (early_used <= sizeof(early) ? p : NULL);
	}
	looking = true;
	if (next == NULL)
		next = preload_real("calloc");
	if (fails(ALLOCATION)) {
		errno = ENOMEM;
		return (NULL);
	}
	p = next(n, size);
	count(p != NULL);
	return (p);
}

void *
realloc(void *old, size_t size)
{
	static void *(*next)(void *, size_t);
	void *p;

	if (next == NULL)
		next = preload_real("realloc");
	if (fails(ALLOCATION)) {
		errno = ENOMEM;
		return (NULL);
	}
	p = next(old, size);
	count(old == NULL && p != NULL);
	return (p);
}

void
free(void *p)
{
	static void (*next)(void *);

	if (p == NULL || is_early(p))
		return;
	if (next == NULL)
		next = preload_real("free");
	count(-1);
	next(p);
}

/* AWS-LC frees by it where jemalloc has it. */
void
sdallocx(void *p, size_t size, int flags)
{
	free(p);
}

/* A system call that fails as it does when the kernel is short of something. */
#define CALL(type, name, error, parameters, ...)    \
	type name parameters;                       \
	type name parameters                        \
	{                                           \
		static type(*next) parameters;      \
                                                    \
		if (next == NULL)                   \
			next = preload_real(#name); \
		if (fails(CALL)) {                  \
			errno = (error);            \
			return (-1);                \
		}                                   \
		return (next(__VA_ARGS__));         \
	}

CALL(ssize_t, recv, ENOMEM, (int fd, void *buf, size_t n, int flags), fd, buf,
    n, flags)
CALL(ssize_t, send, ENOBUFS, (int fd, const void *buf, size_t n, int flags), fd,
    buf, n, flags)
CALL(ssize_t, recvfrom, ENOMEM,
    (int fd, void *restrict buf, size_t n, int flags,
	struct sockaddr *restrict sa, socklen_t *restrict len),
    fd, buf, n, flags, sa, len)
CALL(int, socket, EMFILE, (int domain, int type, int protocol), domain, type,
    protocol)
CALL(int, connect, EADDRNOTAVAIL,
    (int fd, const struct sockaddr *sa, socklen_t len), fd, sa, len)
CALL(int, setsockopt, ENOMEM,
    (int fd, int level, int name, const void *value, socklen_t len), fd, level,
    name, value, len)
CALL(int, getsockname, ENOBUFS,
    (int fd, struct sockaddr *restrict sa, socklen_t *restrict len), fd, sa,
    len)
CALL(int, shutdown, ENOTCONN, (int fd, int how), fd, how)
CALL(int, accept4, EMFILE,
    (int fd, struct sockaddr *restrict sa, socklen_t *restrict len, int flags),
    fd, sa, len, flags)
CALL(int, epoll_ctl, ENOMEM,
    (int epfd, int op, int fd, struct epoll_event *event), epfd, op, fd, event)
