/* Does what the master tells the admin process. */
#include "worker/admin/control.h"

#include <errno.h>
#include <string.h>

#include "common/base/fd.h"
#include "common/control.h"
#include "common/log/log.h"
#include "common/shm/shm.h"
#include "worker/admin/state.h"

#define CONTROL_PER_TURN 64

/* While the master has yet to take what it was sent. */
#define PONG_AGAIN (10 * CLOCK_MSEC)

static void
deadline_cb(struct timer *t)
{
	loop_stop(container_of(t, struct admin, deadline)->loop);
}

static void
drain(struct admin *a, int64_t deadline)
{
	a->draining = true;
	server_drain(&a->server);
	timer_arm(loop_timers(a->loop), &a->deadline, deadline);
}

/* Says that messages are taken. */
static void
pong(struct admin *a)
{
	const struct control_msg msg = { .type = CONTROL_PONG };

	if (control_send(a->boot->control_fd, &msg, NULL, 0) == -EAGAIN)
		timer_arm(loop_timers(a->loop), &a->pong,
		    loop_now(a->loop) + PONG_AGAIN);
}

static void
pong_cb(struct timer *t)
{
	pong(container_of(t, struct admin, pong));
}

/* Takes the descriptor. */
static void
take_worker(struct admin *a, const struct control_msg *msg, int fd)
{
	const struct boot_worker worker = { .worker = msg->worker,
		.generation = msg->generation,
		.slot = (int)msg->slot,
		.table = fd };

	if (msg->slot >= SHM_SLOTS) {
		fd_close(&fd);
		return;
	}
	if (workers_add(&a->workers, &worker) != 0)
		log_write(a->boot->log, LOG_LEVEL_WARNING,
		    "worker %u: its tunnels cannot be shown: %s", msg->worker,
		    strerrordesc_np(ENOMEM));
}

static void
obey(struct admin *a, const struct control_msg *msg, int *fds, size_t nfds)
{
	switch (msg->type) {
	case CONTROL_PING:
		pong(a);
		break;
	case CONTROL_WORKER:
		take_worker(a, msg, fds[0]);
		return;
	case CONTROL_GONE:
		workers_remove(&a->workers, (int)msg->slot);
		break;
	case CONTROL_DRAIN:
		drain(a, msg->deadline);
		break;
	default:
		log_write(a->boot->log, LOG_LEVEL_ERROR,
		    "control: unknown message %u ignored", msg->type);
	}
	for (; nfds > 0; nfds--)
		fd_close(&fds[nfds - 1]);
}

static void
control_cb(struct loop_fd *lfd, uint32_t events)
{
	struct admin *a = container_of(lfd, struct admin, control);
	struct control_msg msg;
	int fds[CONTROL_FDS_MAX], i, n;
	size_t nfds;

	for (i = 0; i < CONTROL_PER_TURN; i++) {
		n = control_recv(lfd->fd, &msg, fds, &nfds);
		if (n == 1) {
			obey(a, &msg, fds, nfds);
			continue;
		}
		if (n == -EAGAIN || n == -EINTR)
			return;
		/* The master takes what it cannot tell for a reason to have
		 * another in our place, so that nothing is missed. */
		loop_stop(a->loop);
		return;
	}
}

int
control_obey(struct admin *a)
{
	a->control = (struct loop_fd){ .fd = -1, .cb = control_cb };
	timer_init(&a->deadline, deadline_cb);
	timer_init(&a->pong, pong_cb);
	return (loop_add(a->loop, &a->control, a->boot->control_fd, EPOLLIN));
}
