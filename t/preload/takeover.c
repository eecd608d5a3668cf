/*
 * Preloaded into sniport: a program that fails as it takes over, if the file
 * that TAKEOVER_FAILS names is there, which it takes away. In the file stands
 * how: "crash", or "error".
 */
#include <stdio.h>
#include <sys/epoll.h>

#include "t/preload/preload.h"

static void
fail(const char *how)
{
	if (strncmp(how, "crash", 5) == 0)
		abort();
	errno = ENOSPC;
}

int
epoll_ctl(int epoll_fd, int op, int fd, struct epoll_event *ev)
{
	int (*real)(int, int, int, struct epoll_event *) =
	    preload_real("epoll_ctl");
	const char *name = getenv("TAKEOVER_FAILS");
	char how[16] = "";
	FILE *file;

	/* The first has no pointer, and comes before the state is read. */
	if (name == NULL || getenv("SNIPORT_TAKE_OVER") == NULL || ev == NULL ||
	    ev->data.ptr == NULL || (file = fopen(name, "re")) == NULL)
		return (real(epoll_fd, op, fd, ev));
	if (fgets(how, sizeof(how), file) == NULL)
		how[0] = '\0';
	fclose(file);
	unlink(name);
	fail(how);
	return (-1);
}
