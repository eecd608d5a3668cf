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
hand_open(struct hand *h)
{
	int pair[2], error;

	if (!hand_is_free(h))
		return (0);
	error = control_pair(pair);
	if (error == 0)
		*h = (struct hand){ .in = pair[0], .out = pair[1] };
	return (error);
}

int
hand_add(struct hand *h, const struct hand_connection *c)
{
	const struct control_msg msg = { .type = CONTROL_CONNECTION,
		.listener = c->listener,
		.client = c->client };
	int fd = c->fd, error = hand_open(h);

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
	h->since = h->moved = now;
	return (0);
}

/* Of messages, as the kernel counts them. */
static int
unread(const struct hand *h)
{
	int n = 0;

	return (ioctl(h->in, SIOCOUTQ, &n) == 0 ? n : -1);
}

int64_t
hand_look(struct hand *h, int64_t now)
{
	int64_t wait;
	int left;

	if (hand_is_free(h) || !h->sent)
		return (CLOCK_NEVER);
	left = unread(h);
	if (left == 0) {
		hand_close(h);
		return (CLOCK_NEVER);
	}
	if (left != h->unread) {
		h->unread = left;
		h->moved = now;
	}
	wait = (now - h->since) / 4;
	if (wait < LOOK_FIRST)
		wait = LOOK_FIRST;
	return (now + (wait < LOOK_LAST ? wait : LOOK_LAST));
}

bool
hand_is_stuck(const struct hand *h, int64_t now, int64_t patience)
{
	return (!hand_is_free(h) && h->sent && now - h->moved >= patience);
}

/* Without its connection; the message stays. */
static bool
peek(const struct hand *h, struct control_msg *msg)
{
	return (recv(h->out, msg, sizeof(*msg), MSG_PEEK | MSG_DONTWAIT) ==
		sizeof(*msg));
}

bool
hand_take_back(struct hand *h, struct hand_connection *c, int64_t silence)
{
	int fds[CONTROL_FDS_MAX], r;
	struct control_msg msg;
	size_t n;

	if (h->out == -1 || h->n == 0 || !peek(h, &msg))
		return (false);
	h->n--;
	r = control_recv(h->out, &msg, fds, &n);
	if (r == 0 || r == -EAGAIN)
		return (false);
	*c = (struct hand_connection){ .fd = r == 1 ? fds[0] : -1,
		.listener = msg.listener,
		.client = msg.client };
	if (c->fd == -1)
		return (true);
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
