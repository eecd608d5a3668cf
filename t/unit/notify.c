/* Messages to the service manager. */
#include "master/notify.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "t/unit/tap.h"

/* The manager's end, on an abstract name that the kernel picks. */
static int
manager(char name[64])
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	socklen_t len = offsetof(struct sockaddr_un, sun_path);
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);

	if (bind(fd, (struct sockaddr *)&sun, len) != 0)
		abort();
	len = sizeof(sun);
	if (getsockname(fd, (struct sockaddr *)&sun, &len) != 0)
		abort();
	len -= offsetof(struct sockaddr_un, sun_path);
	snprintf(name, 64, "@%.*s", (int)len - 1, sun.sun_path + 1);
	return (fd);
}

static const char *
received(int fd, char buf[256])
{
	ssize_t n = recv(fd, buf, 255, MSG_DONTWAIT);

	buf[n > 0 ? n : 0] = '\0';
	return (buf);
}

static void
abstract_socket(void)
{
	char name[64], buf[256];
	struct notify n;
	int fd = manager(name);

	setenv("NOTIFY_SOCKET", name, 1);
	setenv("WATCHDOG_USEC", "3000000", 1);
	notify_open(&n);
	notify_send(&n, "READY=1\nMAINPID=%d\n", 42);
	is_str(received(fd, buf), "READY=1\nMAINPID=42\n",
	    "a message reaches an abstract socket");
	is_int(n.watchdog, 3 * CLOCK_SEC, "the watchdog's time is known");
	ok(getenv("NOTIFY_SOCKET") == NULL && getenv("WATCHDOG_USEC") == NULL,
	    "children inherit neither");
	notify_close(&n);
	close(fd);
}

static void
path_socket(void)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	char dir[] = "/tmp/sniport-notify-XXXXXX", buf[256];
	struct notify n;
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);

	if (mkdtemp(dir) == NULL)
		abort();
	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s/s", dir);
	if (bind(fd, (struct sockaddr *)&sun, sizeof(sun)) != 0)
		abort();
	setenv("NOTIFY_SOCKET", sun.sun_path, 1);
	notify_open(&n);
	notify_send(&n, "STOPPING=1\n");
	is_str(received(fd, buf), "STOPPING=1\n", "and a socket with a path");
	is_int(n.watchdog, 0, "no watchdog is wanted unless asked for");
	notify_close(&n);
	close(fd);
	unlink(sun.sun_path);
	rmdir(dir);
}

static void
not_ours(void)
{
	char name[64];
	struct notify n;
	int fd = manager(name);

	setenv("NOTIFY_SOCKET", name, 1);
	setenv("WATCHDOG_USEC", "3000000", 1);
	setenv("WATCHDOG_PID", "1", 1);
	notify_open(&n);
	is_int(n.watchdog, getpid() == 1 ? 3 * CLOCK_SEC : 0,
	    "the watchdog of another process is not ours");
	notify_close(&n);
	close(fd);
}

static void
refused(const char *path)
{
	struct notify n;

	if (path != NULL)
		setenv("NOTIFY_SOCKET", path, 1);
	notify_open(&n);
	is_int(n.fd, -1, path != NULL ? path : "without a manager");
	notify_send(&n, "READY=1\n");
	notify_close(&n);
}

int
main(void)
{
	char too_long[200];

	memset(too_long, 'a', sizeof(too_long));
	too_long[0] = '/';
	too_long[sizeof(too_long) - 1] = '\0';
	abstract_socket();
	path_socket();
	not_ours();
	refused(NULL);
	refused("");
	refused("@");
	refused("relative");
	refused(too_long);
	return (done_testing());
}
