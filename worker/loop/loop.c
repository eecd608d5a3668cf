/*
 * Runs the turns of the event loop and bounds each, so that nothing has to wait
 * long for its own.
 */
#include "worker/loop/loop.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>

#include "common/base/clock.h"
#include "common/base/fd.h"

#define EVENTS_PER_TURN 32
#define TIMERS_PER_TURN 16
#define OWNERS_MIN	64

/* For so long tasks may run in any turn, and then long work, of which a
 * handshake takes some 0.3 ms. */
#define TASK_TIME CLOCK_MSEC

TAILQ_HEAD(task_list, loop_task);
SLIST_HEAD(garbage_list, loop_garbage);

/* Whose a descriptor is. */
struct owner {
	struct loop_fd *lfd;
	uint32_t number; /* how often the descriptor was added: what epoll says
			  * of an earlier one is not for this one */
};

struct loop {
	int epfd;
	struct owner *owners; /* by descriptor */
	size_t nowners;
	bool stop;
	bool coarse; /* the kernel has no epoll_pwait2(2) */
	int64_t now;
	int64_t served; /* when timers and tasks last had their turn */
	struct timers timers;
	struct task_list tasks;
	struct loop_task mark;	/* end of the tasks of this turn */
	struct loop_work *work; /* NULL: there is none */
	struct garbage_list garbage;
};

int
loop_new(struct loop **out)
{
	struct loop *loop = calloc(1, sizeof(*loop));

	if (loop == NULL)
		return (-ENOMEM);
	loop->epfd = epoll_create1(EPOLL_CLOEXEC);
	if (loop->epfd == -1) {
		int error = -errno;

		free(loop);
		return (error);
	}
	loop->now = clock_now();
	TAILQ_INIT(&loop->tasks);
	SLIST_INIT(&loop->garbage);
	*out = loop;
	return (0);
}

static void
collect(struct loop *loop)
{
	struct loop_garbage *g;

	while ((g = SLIST_FIRST(&loop->garbage)) != NULL) {
		SLIST_REMOVE_HEAD(&loop->garbage, entry);
		g->free(g);
	}
}

void
loop_free(struct loop *loop)
{
	if (loop == NULL)
		return;
	collect(loop);
	fd_close(&loop->epfd);
	free(loop->owners);
	free(loop);
}

int64_t
loop_now(const struct loop *loop)
{
	return (loop->now);
}

struct timers *
loop_timers(struct loop *loop)
{
	return (&loop->timers);
}

static int
control(struct loop *loop, int op, struct loop_fd *lfd, uint32_t events)
{
	struct epoll_event ev = { .events = events };

	ev.data.u64 =
	    (uint64_t)loop->owners[lfd->fd].number << 32 | (uint32_t)lfd->fd;
	if (epoll_ctl(loop->epfd, op, lfd->fd, &ev) == -1)
		return (-errno);
	return (0);
}

/* Makes room for the descriptor. 0 or -ENOMEM. */
static int
grow(struct loop *loop, int fd)
{
	size_t n = loop->nowners > 0 ? loop->nowners : OWNERS_MIN;
	struct owner *owners;

	if ((size_t)fd < loop->nowners)
		return (0);
	while (n <= (size_t)fd)
		n *= 2;
	owners = realloc(loop->owners, n * sizeof(*owners));
	if (owners == NULL)
		return (-ENOMEM);
	memset(
	    owners + loop->nowners, 0, (n - loop->nowners) * sizeof(*owners));
	loop->owners = owners;
	loop->nowners = n;
	return (0);
}

int
loop_add(struct loop *loop, struct loop_fd *lfd, int fd, uint32_t events)
{
	int error = grow(loop, fd);

	if (error != 0)
		return (error);
	lfd->fd = fd;
	loop->owners[fd].number++;
	error = control(loop, EPOLL_CTL_ADD, lfd, events);
	if (error != 0) {
		loop->owners[fd].number--;
		lfd->fd = -1;
	} else {
		loop->owners[fd].lfd = lfd;
	}
	return (error);
}

int
loop_mod(struct loop *loop, struct loop_fd *lfd, uint32_t events)
{
	return (control(loop, EPOLL_CTL_MOD, lfd, events));
}

void
loop_del(struct loop *loop, struct loop_fd *lfd)
{
	if (lfd->fd == -1)
		return;
	/* Cannot fail for a descriptor that was added and is still open. */
	(void)control(loop, EPOLL_CTL_DEL, lfd, 0);
	lfd->fd = -1;
}

void
loop_move(struct loop *loop, struct loop_fd *from, struct loop_fd *to)
{
	to->fd = from->fd;
	loop->owners[to->fd].lfd = to;
	from->fd = -1;
}

void
loop_forget(struct loop_fd *lfd)
{
	lfd->fd = -1;
}

void
loop_defer(struct loop *loop, struct loop_task *task)
{
	if (task->queued)
		return;
	task->queued = true;
	TAILQ_INSERT_TAIL(&loop->tasks, task, entry);
}

void
loop_undefer(struct loop *loop, struct loop_task *task)
{
	if (!task->queued)
		return;
	task->queued = false;
	TAILQ_REMOVE(&loop->tasks, task, entry);
}

void
loop_work(struct loop *loop, struct loop_work *work)
{
	loop->work = work;
}

void
loop_free_later(struct loop *loop, struct loop_garbage *garbage)
{
	SLIST_INSERT_HEAD(&loop->garbage, garbage, entry);
}

/*
 * Runs the tasks that are queued now; those that they queue wait a turn. So do
 * the rest of them when tasks have had their share of the time.
 */
static void
run_tasks(struct loop *loop, int64_t begun, int64_t share)
{
	struct loop_task *task;
	struct loop_task *mark = &loop->mark;

	if (TAILQ_EMPTY(&loop->tasks))
		return;
	/* A mark, and not the last of now, since a task may withdraw
	 * another. */
	loop_defer(loop, mark);
	do {
		task = TAILQ_FIRST(&loop->tasks);
		loop_undefer(loop, task);
		task->cb(task);
	} while (
	    TAILQ_FIRST(&loop->tasks) != mark && clock_now() - begun < share);
	loop_undefer(loop, mark);
}

static void
run_work(struct loop *loop, int64_t begun, int64_t share)
{
	struct loop_work *work = loop->work;

	if (work == NULL)
		return;
	while (work->cb(work))
		if (clock_now() - begun >= share)
			return;
	loop->work = NULL;
}

/* Tasks and long work may each take as long as all before them. Tasks, of those
 * who wait for little, are first. */
static void
run_share(struct loop *loop)
{
	int64_t begun, share;

	if (TAILQ_EMPTY(&loop->tasks) && loop->work == NULL)
		return;
	begun = clock_now();
	share = begun - loop->now > TASK_TIME ? begun - loop->now : TASK_TIME;
	run_tasks(loop, begun, share);
	run_work(loop, clock_now(), share);
}

/* Nanoseconds until something is due; CLOCK_NEVER: nothing is. */
static int64_t
time_left(const struct loop *loop)
{
	int64_t next = timer_next(&loop->timers);

	if (!TAILQ_EMPTY(&loop->tasks) || loop->work != NULL)
		return (0);
	if (next == CLOCK_NEVER)
		return (CLOCK_NEVER);
	return (next > loop->now ? next - loop->now : 0);
}

/* Before Linux 5.11, and under valgrind: milliseconds, rounded up so that no
 * turn comes too early and spins. */
static int
wait_coarse(struct loop *loop, struct epoll_event *events, int64_t left)
{
	int64_t msec = left == CLOCK_NEVER
			   ? -1
			   : left / CLOCK_MSEC + (left % CLOCK_MSEC != 0);

	return (epoll_wait(loop->epfd, events, EVENTS_PER_TURN,
	    msec < INT_MAX ? (int)msec : INT_MAX));
}

static int
wait_events(struct loop *loop, struct epoll_event *events)
{
	int64_t left = time_left(loop);
	struct timespec ts = { .tv_sec = left / CLOCK_SEC,
		.tv_nsec = left % CLOCK_SEC };
	int n;

	if (!loop->coarse) {
		n = epoll_pwait2(loop->epfd, events, EVENTS_PER_TURN,
		    left != CLOCK_NEVER ? &ts : NULL, NULL);
		if (n != -1 || errno != ENOSYS)
			return (n);
		loop->coarse = true;
	}
	return (wait_coarse(loop, events, left));
}

/* NULL: of what was added since, under the same number, nothing is known. */
static struct loop_fd *
owner_of(const struct loop *loop, const struct epoll_event *event)
{
	const struct owner *o = &loop->owners[event->data.u64 & UINT32_MAX];

	return (o->number == event->data.u64 >> 32 ? o->lfd : NULL);
}

static int
turn(struct loop *loop)
{
	struct epoll_event events[EVENTS_PER_TURN];
	struct loop_fd *lfd;
	int i, n;

	n = wait_events(loop, events);
	if (n == -1) {
		if (errno != EINTR)
			return (-errno);
		n = 0;
	}
	loop->now = clock_now();
	for (i = 0; i < n; i++) {
		lfd = owner_of(loop, &events[i]);
		if (lfd != NULL && lfd->fd != -1)
			lfd->cb(lfd, events[i].events);
	}
	/* More are ready, and among many that just queue up for work there may
	 * be one who waits for little. */
	if (n < EVENTS_PER_TURN || loop->now - loop->served >= TASK_TIME) {
		timer_run(&loop->timers, loop->now, TIMERS_PER_TURN);
		run_share(loop);
		loop->served = clock_now();
	}
	collect(loop);
	return (0);
}

int
loop_run(struct loop *loop, void (*before_wait)(void *), void *arg)
{
	int error = 0;

	while (error == 0) {
		if (before_wait != NULL)
			before_wait(arg);
		if (loop->stop)
			break;
		error = turn(loop);
	}
	return (error);
}

void
loop_stop(struct loop *loop)
{
	loop->stop = true;
}
