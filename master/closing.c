/* Waits for the end of a pipe that a child has the other end of. */
#include "master/closing.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/fd.h"

/* It takes some milliseconds, unless the machine is very busy. */
#define CLOSING_PATIENCE (1 * CLOCK_SEC)

void
closing_begin(struct closing *c)
{
	int pair[2];

	*c = (struct closing){ .mine = -1, .childs = -1 };
	if (pipe2(pair, O_CLOEXEC) != 0)
		return;
	c->mine = pair[0];
	c->childs = pair[1];
}

void
closing_await(struct closing *c, bool forked)
{
	struct pollfd fd = { .fd = c->mine, .events = POLLIN };

	fd_close(&c->childs);
	if (forked && c->mine != -1) {
		while (poll(&fd, 1, (int)(CLOSING_PATIENCE / CLOCK_MSEC)) < 0 &&
		       errno == EINTR)
			continue;
	}
	fd_close(&c->mine);
}
