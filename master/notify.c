/* Sends datagrams to the service manager's socket, as sd_notify(3) would. */
#include "master/notify.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/fd.h"

/* A positive decimal, or 0. */
static int64_t
env_number(const char *name)
{
	const char *s = getenv(name);
	char *end;
	long long value;

	if (s == NULL || *s < '0' || *s > '9')
		return (0);
	errno = 0;
	value = strtoll(s, &end, 10);
	return (errno == 0 && *end == '\0' ? value : 0);
}

static void
open_watchdog(struct notify *n)
{
	int64_t usec = env_number("WATCHDOG_USEC");
	int64_t pid = env_number("WATCHDOG_PID");

	if (getenv("WATCHDOG_PID") != NULL && pid != getpid())
		return;
	if (usec < INT64_MAX / CLOCK_USEC)
		n->watchdog = usec * CLOCK_USEC;
}

static void
open_socket(struct notify *n, const char *path)
{
	size_t len = strlen(path);

	if ((path[0] != '/' && path[0] != '@') || len < 2 ||
	    len >= sizeof(n->to.sun_path))
		return;
	n->to.sun_family = AF_UNIX;
	memcpy(n->to.sun_path, path, len);
	if (path[0] == '@') /* abstract: the name has no NUL at its end */
		n->to.sun_path[0] = '\0';
	n->to_len = offsetof(struct sockaddr_un, sun_path) + len +
		    (path[0] == '/' ? 1 : 0);
	notify_adopt(n);
}

void
notify_adopt(struct notify *n)
{
	n->fd = -1;
	if (n->to_len > 0)
		n->fd = socket(
		    AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

void
notify_open(struct notify *n)
{
	const char *path = getenv("NOTIFY_SOCKET");

	memset(n, 0, sizeof(*n));
	n->fd = -1;
	if (path != NULL)
		open_socket(n, path);
	if (n->fd >= 0)
		open_watchdog(n);
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
}

void
notify_close(struct notify *n)
{
	fd_close(&n->fd);
}

void
notify_send(const struct notify *n, const char *fmt, ...)
{
	char text[2048];
	va_list ap;

	if (n->fd < 0)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	/* Advice to a supervisor: nothing better can be done if it is lost. */
	(void)sendto(n->fd, text, strlen(text), MSG_NOSIGNAL,
	    (const struct sockaddr *)&n->to, n->to_len);
}

/* One with control data must not be empty, and is sent whole or not at all. */
static int
send_with(const struct notify *n, int fd, const char *text)
{
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { .buf = { 0 } };
	struct sockaddr_un to = n->to;
	struct iovec iov = { (void *)(uintptr_t)text, strlen(text) };
	struct msghdr msg = { .msg_name = &to,
		.msg_namelen = n->to_len,
		.msg_iov = &iov,
		.msg_iovlen = 1 };
	struct cmsghdr *c;

	if (fd >= 0) {
		msg.msg_control = control.buf;
		msg.msg_controllen = sizeof(control.buf);
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(fd));
		memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	}
	return (sendmsg(n->fd, &msg, MSG_NOSIGNAL) == -1 ? -errno : 0);
}

int
notify_pass(const struct notify *n, int fd, const char *fmt, ...)
{
	char text[256];
	va_list ap;

	if (n->fd < 0)
		return (-ENOTCONN);
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return (send_with(n, fd, text));
}
