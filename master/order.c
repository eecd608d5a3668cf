/*
 * Tells the workers of a generation to drain or to end, and counts old
 * generations.
 */
#include "master/order.h"

#include <errno.h>
#include <string.h>

#include "common/control.h"
#include "common/log/log.h"
#include "master/master.h"

/* What a worker may take beyond its deadline before it is killed. */
#define DRAIN_MARGIN (5 * CLOCK_SEC)

/* For an old generation, which may have many audit lines to write. */
#define LIMIT_PATIENCE (5 * CLOCK_SEC)

static int
tell(
    struct child *c, const struct control_msg *msg, const int *fds, size_t nfds)
{
	if (c->control_fd < 0)
		return (-EPIPE);
	return (control_send(c->control_fd, msg, fds, nfds));
}

static void
drain(struct master *m, struct child *c, const struct control_msg *msg)
{
	int error;

	if (c->state == CHILD_ENDING)
		return;
	c->state = CHILD_DRAINING;
	c->alive = clock_now();
	c->kill_at = msg->deadline == CLOCK_NEVER
			 ? CLOCK_NEVER
			 : msg->deadline + DRAIN_MARGIN;
	error = tell(c, msg, NULL, 0);
	if (error == 0 || error == -EPIPE)
		return;
	/* It does not read its messages: the watchdog's business. */
	log_write(m->log, LOG_LEVEL_ERROR,
	    "worker %u[%d]: cannot be told to drain: %s", c->worker,
	    (int)c->pid, strerror(-error));
}

void
order_drain(struct master *m, struct crew *crew, enum reason reason,
    int64_t deadline, uint64_t listeners)
{
	const struct control_msg msg = { .type = CONTROL_DRAIN,
		.reason = reason,
		.deadline = deadline,
		.listeners = listeners };
	struct child *c;

	crew->drain = msg;
	TAILQ_FOREACH (c, &crew->children, entry)
		drain(m, c, &msg);
}

void
order_drain_again(struct master *m, struct child *c)
{
	drain(m, c, &c->crew->drain);
}

void
order_drain_child(
    struct master *m, struct child *c, enum reason reason, int64_t deadline)
{
	const struct control_msg msg = {
		.type = CONTROL_DRAIN, .reason = reason, .deadline = deadline
	};

	drain(m, c, &msg);
}

void
order_end(
    struct master *m, struct crew *crew, enum reason reason, int64_t patience)
{
	int64_t kill_at = clock_now() + patience;
	/* It exits in time to be no one who has to be killed. */
	struct control_msg msg = { .type = CONTROL_END,
		.reason = reason,
		.deadline = kill_at - patience / 4,
		/* What waits has its line, too; else others serve it. */
		.listeners = reason == REASON_STOPPED ? UINT64_MAX : 0 };
	struct child *c;

	TAILQ_FOREACH (c, &crew->children, entry) {
		if (c->killed != CREW_NOT_KILLED)
			continue;
		/* What cannot be told is enforced when patience ends. */
		(void)tell(c, &msg, NULL, 0);
		c->state = CHILD_ENDING;
		c->kill_at = kill_at < c->kill_at ? kill_at : c->kill_at;
	}
}

static bool
is_meant(const struct child *c, const struct control_msg *msg)
{
	return (c->slot == (int)msg->slot && c->worker == msg->worker &&
		c->crew->number == msg->generation);
}

void
order_close(struct master *m, const struct control_msg *msg)
{
	struct crew *crew;
	struct child *c;

	TAILQ_FOREACH (crew, &m->crews, entry)
		TAILQ_FOREACH (c, &crew->children, entry)
			/* Whoever asks sees what is still open, and asks
			 * again. */
			if (is_meant(c, msg) && c->state != CHILD_ENDING)
				(void)tell(c, msg, NULL, 0);
}

int64_t
order_limit(struct master *m, int64_t now)
{
	struct crew *crew;
	int64_t n = 0, max;

	if (m->limit_at > now)
		return (m->limit_at);
	m->limit_at = CLOCK_NEVER;
	max = m->current->terms->generations;
	TAILQ_FOREACH (crew, &m->crews, entry)
		n += crew != m->current && crew != m->next;
	TAILQ_FOREACH (crew, &m->crews, entry) {
		if (n-- <= max || crew == m->current || crew == m->next)
			break;
		log_write(m->log, LOG_LEVEL_WARNING,
		    "generation %u: ended: more than limits.generations "
		    "(%lld) old ones are alive",
		    crew->number, (long long)max);
		order_end(m, crew, REASON_GENERATION_LIMIT, LIMIT_PATIENCE);
	}
	return (CLOCK_NEVER);
}
