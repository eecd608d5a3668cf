/*
 * Preloaded into sniport: a worker that dies when a connection has just come to
 * it, or is about to. The first byte of the file that WINDOW_FILE names tells
 * when, and is taken away by that: "a": accept4(2) has accepted one; "b": it is
 * to be called for one; "m": a message has brought one that others accepted.
 */
#include <dlfcn.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "common/control.h"
#include "t/preload/preload.h"

static volatile char *when;
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
	when = preload_share("WINDOW_FILE", 1, PROT_READ | PROT_WRITE);
}

static void
die_if(char now)
{
	if (!in_child || *when != now)
		return;
	*when = '-';
	__builtin_trap();
}

int
accept4(int fd, struct sockaddr *sa, socklen_t *len, int flags)
{
	static int (*next)(int, struct sockaddr *, socklen_t *, int);
	struct pollfd queue = { .fd = fd, .events = POLLIN };
	int n;

	if (next == NULL)
		next = (int (*)(int, struct sockaddr *, socklen_t *,
		    int))preload_real("accept4");
	if (*when == 'b' && poll(&queue, 1, 0) == 1)
		die_if('b');
	n = next(fd, sa, len, flags);
	if (n != -1)
		die_if('a');
	return (n);
}

ssize_t
recvmsg(int fd, struct msghdr *mh, int flags)
{
	static ssize_t (*next)(int, struct msghdr *, int);
	const struct control_msg *msg;
	ssize_t n;

	if (next == NULL)
		next = (ssize_t(*)(int, struct msghdr *, int))preload_real(
		    "recvmsg");
	n = next(fd, mh, flags);
	msg = mh->msg_iov[0].iov_base;
	if (n == (ssize_t)sizeof(*msg) && msg->type == CONTROL_CONNECTION)
		die_if('m');
	return (n);
}
