/* Passes accepted connections to a worker, and never closes one that it has. */
#include "master/hand.h"

#include <errno.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "common/base/clock.h"
#include "common/base/fd.h"
#include "common/control.h"

/* After a worker was sent something it is looked at so soon, and then more and
 * more seldom. */
#define LOOK_FIRST (2 * CLOCK_MSEC)
#define LOOK_LAST  (1 * CLOCK_SEC)

void
hand_init(struct hand *h)
{
	*h = (struct hand){ .in = -1, .out = -1 };
}

bool
hand_is_free(const struct hand *h)
{
	return (h->in == -1);
}

bool
hand_has_room(const struct hand *h)
{
	return (!h->sealed && h->n < HAND_MAX);
}

int
hand_add(struct hand *h, const struct hand_connection *c)
{
	const struct control_msg msg = { .type = CONTROL_CONNECTION,
		.listener = c->listener,
		.client = c->client };
	int pair[2], fd = c->fd, error = 0;

	if (hand_is_free(h)) {
		error = control_pair(pair);
		if (error == 0)
			*h = (struct hand){ .in = pair[0], .out = pair[1] };
	}
	if (error == 0)
		error = control_send(h->in, &msg, &fd, 1);
	if (error == 0)
		h->n++;
	fd_close(&fd);
	return (error);
}

int
hand_send(struct hand *h, int control_fd, int64_t now)
{
	const struct control_msg msg = { .type = CONTROL_HAND };
	int error;

	/* Else nothing would wake a worker that has taken the last. */
	(void)shutdown(h->in, SHUT_WR);
	h->sealed = true;
	error = control_send(control_fd, &msg, &h->out, 1);
	if (error != 0)
		return (error);
	h->sent = true;
	h->since = now;
	return (0);
}

/* Messages that were read by MSG_PEEK alone count as unread. */
static bool
is_empty(const struct hand *h)
{
	int unread = 0;

	return (ioctl(h->in, SIOCOUTQ, &unread) == 0 && unread == 0);
}

int64_t
hand_look(struct hand *h, int64_t now)
{
	int64_t wait;

	if (hand_is_free(h) || !h->sent)
		return (CLOCK_NEVER);
	if (is_empty(h)) {
		hand_close(h);
		return (CLOCK_NEVER);
	}
	wait = (now - h->since) / 4;
	if (wait < LOOK_FIRST)
		wait = LOOK_FIRST;
	return (now + (wait < LOOK_LAST ? wait : LOOK_LAST));
}

bool
hand_take_back(struct hand *h, struct hand_connection *c, int64_t silence)
{
	int fds[CONTROL_FDS_MAX];
	struct control_msg msg;
	size_t n;

	if (h->out == -1 || h->n == 0 ||
	    control_recv(h->out, &msg, fds, &n) != 1)
		return (false);
	h->n--;
	*c = (struct hand_connection){
		.fd = fds[0], .listener = msg.listener, .client = msg.client
	};
	(void)fd_tunnel_options(c->fd, NULL);
	(void)fd_keepalive(c->fd, silence);
	return (true);
}

void
hand_close(struct hand *h)
{
	fd_close(&h->in);
	fd_close(&h->out);
	hand_init(h);
}
