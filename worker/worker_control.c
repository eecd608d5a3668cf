/*
 * What the master tells a worker, above all to drain, and what the worker does
 * when the master is gone.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>

#include "common/base/clock.h"
#include "common/base/fd.h"
#include "common/boot.h"
#include "common/control.h"
#include "common/log/log.h"
#include "worker/accept.h"
#include "worker/worker_state.h"

static void
deadline_cb(struct timer *t)
{
	struct worker *w = container_of(t, struct worker, deadline);

	tunnels_end(&w->tunnels, w->end_reason);
}

/* What is queued on those listeners is accepted, and what comes there until
 * accept_stop(). */
static void
drain(struct worker *w, uint64_t listeners, const char *how)
{
	if (w->draining)
		return;
	w->draining = true;
	log_write(w->boot->log, LOG_LEVEL_INFO, "%s: %llu tunnel%s open", how,
	    (unsigned long long)w->tunnels.count,
	    w->tunnels.count == 1 ? "" : "s");
	accept_empty(w->acceptor, listeners);
}

static enum reason
sane_reason(uint32_t reason)
{
	return (reason < REASON_COUNT ? (enum reason)reason : REASON_STOPPED);
}

static void
obey_drain(struct worker *w, const struct control_msg *msg)
{
	const struct control_msg emptied = { .type = CONTROL_EMPTIED };
	bool was_draining = w->draining;

	drain(w, msg->listeners, "draining");
	w->end_reason = sane_reason(msg->reason);
	w->logs_until = msg->deadline;
	if (msg->deadline != CLOCK_NEVER)
		timer_arm(loop_timers(w->loop), &w->deadline, msg->deadline);
	/* If it cannot be told, it tells us to close them by and by. */
	if (!was_draining && accept_is_open(w->acceptor))
		(void)control_send(w->boot->control_fd, &emptied, NULL, 0);
}

static void
obey(struct worker *w, const struct control_msg *msg, int *fds, size_t nfds)
{
	const struct control_msg pong = { .type = CONTROL_PONG };

	switch (msg->type) {
	case CONTROL_PING:
		(void)control_send(w->boot->control_fd, &pong, NULL, 0);
		break;
	case CONTROL_HAND:
		accept_handed(w->acceptor, &w->clients, fds[0]);
		return;
	case CONTROL_DRAIN:
		obey_drain(w, msg);
		break;
	case CONTROL_RELEASE:
		accept_stop(w->acceptor, UINT64_MAX);
		break;
	case CONTROL_CLOSE:
		memcpy(w->closing + w->nclosing, msg->numbers,
		    msg->count * sizeof(msg->numbers[0]));
		w->nclosing += msg->count;
		break;
	case CONTROL_END:
		drain(w, msg->listeners, "ending at once");
		accept_stop(w->acceptor, msg->listeners);
		w->hurried = true;
		w->logs_until = msg->deadline;
		tunnels_end(&w->tunnels, sane_reason(msg->reason));
		break;
	default:
		log_write(w->boot->log, LOG_LEVEL_ERROR,
		    "control: unknown message %u ignored", msg->type);
	}
	for (; nfds > 0; nfds--)
		fd_close(&fds[nfds - 1]);
}

/* Listeners whose sockets are gone when this worker has closed them. */
static uint64_t
last_copies(const struct boot *boot)
{
	uint64_t listeners = 0;
	size_t i;

	for (i = 0; i < boot->nsockets; i++)
		if (!boot->sockets[i].kept)
			listeners |= UINT64_C(1) << boot->sockets[i].listener;
	return (listeners);
}

/* Nobody would pass a signal on any more: it shall work directly. What waits
 * where others will listen is better off with them: a service manager may end
 * this worker at once. */
static void
orphaned(struct worker *w)
{
	uint64_t listeners = last_copies(w->boot);

	loop_del(w->loop, &w->control);
	w->orphaned = true;
	log_write(w->boot->log, LOG_LEVEL_ERROR, "the master is gone");
	signal(SIGTERM, SIG_DFL);
	signal(SIGINT, SIG_DFL);
	signal(SIGQUIT, SIG_DFL);
	drain(w, listeners, "draining");
	accept_stop(w->acceptor, listeners);
}

static void
hear(struct worker *w, struct loop_fd *lfd)
{
	struct control_msg msg;
	int fds[CONTROL_FDS_MAX], n;
	size_t nfds;
	int i;

	/* The loop tells again of what is left. */
	for (i = 0; i < WORKER_MESSAGES && lfd->fd != -1; i++) {
		n = control_recv(lfd->fd, &msg, fds, &nfds);
		if (n == 1)
			obey(w, &msg, fds, nfds);
		else if (n == -EAGAIN)
			return;
		else if (n == -EMFILE)
			/* The master has another of it. */
			log_write(w->boot->log, LOG_LEVEL_WARNING,
			    "connections of a worker that is down: %s",
			    strerrordesc_np(-n));
		else if (n != -EINTR)
			orphaned(w);
	}
}

/* Those who are to be closed are looked for once: there may be many. */
static void
control_cb(struct loop_fd *lfd, uint32_t events)
{
	struct worker *w = container_of(lfd, struct worker, control);

	hear(w, lfd);
	if (w->nclosing > 0)
		tunnels_close(&w->tunnels, w->closing, w->nclosing,
		    REASON_CLOSED_BY_OPERATOR);
	w->nclosing = 0;
}

int
worker_obey(struct worker *w)
{
	w->control = (struct loop_fd){ .fd = -1, .cb = control_cb };
	timer_init(&w->deadline, deadline_cb);
	return (loop_add(w->loop, &w->control, w->boot->control_fd, EPOLLIN));
}

bool
worker_is_done(const struct worker *w)
{
	return (w->draining && !accept_is_open(w->acceptor) &&
		w->tunnels.count == w->tunnels.lingering);
}
