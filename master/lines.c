/*
 * Watches what the egress lines need. By netlink the kernel tells that an
 * address or a device has changed; what is there then is looked for as a tunnel
 * would, so no message that was lost or misread leaves a false idea behind.
 */
#include "master/lines.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "common/base/clock.h"
#include "common/base/fd.h"
#include "common/conf/conf.h"
#include "common/log/log.h"
#include "common/shm/lines.h"
#include "master/generation.h"
#include "master/line_look.h"
#include "master/master.h"

/* Also without a message: blocks that are routed here, and sysctls, change
 * without one. */
#define LOOK_EVERY (10 * CLOCK_SEC)

/* Where a look costs much and messages come all the time, it gets that part of
 * one CPU. */
#define LOOK_SHARE	  20

#define MESSAGES_PER_TURN 64

void
lines_init(struct lines *l)
{
	*l = (struct lines){ .fd = -1 };
}

void
lines_fini(struct lines *l)
{
	fd_close(&l->fd);
	free(l->seen);
	lines_init(l);
}

static int
open_netlink(int epoll_fd, struct lines *l)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = l };
	struct sockaddr_nl nl = { .nl_family = AF_NETLINK,
		.nl_groups =
		    RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR };
	int error = 0;

	l->fd = socket(
	    AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, NETLINK_ROUTE);
	if (l->fd < 0)
		return (-errno);
	if (bind(l->fd, (struct sockaddr *)&nl, sizeof(nl)) != 0 ||
	    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, l->fd, &ev) != 0) {
		error = -errno;
		fd_close(&l->fd);
	}
	return (error);
}

/* Only where there is something to watch. */
static void
watch(struct master *m)
{
	int error;

	if (m->lines.fd != -1 || m->lines.n == 0)
		return;
	error = open_netlink(m->epoll_fd, &m->lines);
	if (error != 0)
		log_write(m->log, LOG_LEVEL_WARNING,
		    "egress lines: looked at every %d s only: netlink: %s",
		    (int)(LOOK_EVERY / CLOCK_SEC), strerror(-error));
}

static void
tell(const struct master *m, const struct conf_egress *e,
    const struct line_look *look)
{
	char why[LINE_LOOK_TEXT_SIZE];

	line_look_text(look, e, why);
	log_write(m->log,
	    look->state == LINES_STATE_UP ? LOG_LEVEL_NOTICE
					  : LOG_LEVEL_WARNING,
	    "egress line \"%s\": %s%s%s%s", e->name,
	    lines_state_name(look->state), why[0] != '\0' ? ": " : "", why,
	    look->state == LINES_STATE_DOWN ? ": tunnels that need it fail"
					    : "");
}

static bool
differs(const struct line_look *a, const struct line_look *b)
{
	return (a->state != b->state || a->device != b->device ||
		a->missing != b->missing || a->first != b->first);
}

/* Where on the board the sources of a line are. */
struct place {
	struct shm *shm;
	size_t first;
};

static void
put_source(void *arg, size_t source, enum lines_source is)
{
	const struct place *p = arg;

	lines_set_source(p->shm, p->first + source, is);
}

static void
look(struct master *m, bool quiet)
{
	const struct conf *conf = m->current->generation->conf;
	struct place place = { m->shm, 0 };
	size_t i, foreign = 0;
	struct line_look l;

	for (i = 0; i < m->lines.n; i++) {
		l = line_look(&conf->egress[i], put_source, &place);
		lines_set_device(m->shm, i, l.device);
		place.first += conf->egress[i].nsource;
		foreign += l.foreign;
		if (!quiet && differs(&l, &m->lines.seen[i]))
			tell(m, &conf->egress[i], &l);
		m->lines.seen[i] = l;
	}
	lines_set_foreign(m->shm, foreign);
}

static void
look_and_wait(struct master *m, bool quiet)
{
	int64_t now, began = clock_now();

	look(m, quiet);
	now = clock_now();
	m->lines.not_before = now + (now - began) * LOOK_SHARE;
	m->lines.look_at = now + LOOK_EVERY;
	if (m->lines.look_at < m->lines.not_before)
		m->lines.look_at = m->lines.not_before;
}

void
lines_renew(struct master *m, int64_t now)
{
	const struct conf *conf = m->current->generation->conf;

	lines_forget(m->shm);
	free(m->lines.seen);
	m->lines.n = conf->negress;
	m->lines.seen = calloc(conf->negress + 1, sizeof(*m->lines.seen));
	if (m->lines.seen == NULL) {
		log_write(m->log, LOG_LEVEL_ERROR,
		    "egress lines: not watched: %s", strerror(ENOMEM));
		m->lines.n = 0;
		return;
	}
	/* First, so that no change falls between the two. */
	watch(m);
	look_and_wait(m, true);
	lines_begin(m->shm, m->current->number);
}

/* What it says is not read: that there was something is enough. So it is with
 * ENOBUFS, by which the kernel says that it had no room for more. */
bool
lines_receive(struct master *m, const void *what, int64_t now)
{
	struct lines *l = &m->lines;
	char bytes[4096];
	int i;

	if (what != l)
		return (false);
	for (i = 0; i < MESSAGES_PER_TURN; i++)
		if (recv(l->fd, bytes, sizeof(bytes), 0) < 0 &&
		    errno != ENOBUFS && errno != EINTR)
			break;
	if (l->n > 0)
		l->look_at = now > l->not_before ? now : l->not_before;
	return (true);
}

int64_t
lines_tick(struct master *m, int64_t now)
{
	if (m->lines.n == 0 || m->current == NULL)
		return (CLOCK_NEVER);
	if (m->lines.look_at <= now)
		look_and_wait(m, false);
	return (m->lines.look_at);
}
