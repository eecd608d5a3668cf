/*
 * Preloaded into sniport: a worker that was broken into, and that is handed
 * connections. Those are meant that start while the file exists that SPOIL
 * names. From the first batch such a worker takes a copy of a connection by
 * MSG_PEEK, has the last close(2) of it wait for ten minutes, fills it, closes
 * what it has, and says so on standard error. Then it goes on as if nothing had
 * come.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "t/preload/preload.h"

ssize_t recvmsg(int, struct msghdr *, int);

static int broken;

pid_t
fork(void)
{
	pid_t (*next)(void) = preload_real("fork");
	const char *path = getenv("SPOIL");
	pid_t pid;

	pid = next();
	if (pid == 0)
		broken = path != NULL && access(path, F_OK) == 0;
	return (pid);
}

static ssize_t
receive(int fd, struct msghdr *msg, int flags)
{
	static ssize_t (*next)(int, struct msghdr *, int);

	if (next == NULL)
		next = preload_real("recvmsg");
	return (next(fd, msg, flags));
}

/* The descriptor that came with a message; -1: none did. */
static int
descriptor(struct msghdr *msg)
{
	struct cmsghdr *head = CMSG_FIRSTHDR(msg);
	int fd = -1;

	if (head != NULL && head->cmsg_type == SCM_RIGHTS)
		memcpy(&fd, CMSG_DATA(head), sizeof(fd));
	return (fd);
}

static int
peek(int pair)
{
	char text[256], space[CMSG_SPACE(sizeof(int))];
	struct iovec iov = { text, sizeof(text) };
	struct msghdr msg = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = space,
		.msg_controllen = sizeof(space) };

	if (receive(pair, &msg, MSG_PEEK | MSG_DONTWAIT) < 0)
		return (-1);
	return (descriptor(&msg));
}

static void
spoil(int pair)
{
	static const struct linger linger = { 1, 600 };
	static char text[65536];
	int fd = peek(pair), result;

	result = setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	while (send(fd, text, sizeof(text), MSG_DONTWAIT) > 0)
		;
	close(fd);
	close(pair);
	dprintf(STDERR_FILENO, "spoil %d: %s\n", (int)getpid(),
	    result == 0 ? "done" : strerrorname_np(errno));
}

ssize_t
recvmsg(int fd, struct msghdr *msg, int flags)
{
	ssize_t n = receive(fd, msg, flags);
	int pair = n > 0 && broken ? descriptor(msg) : -1;

	if (pair == -1)
		return (n);
	broken = 0;
	spoil(pair);
	errno = EAGAIN;
	return (-1);
}
