/*
 * The event loop: order within a turn, fairness between tasks, and freeing at
 * its end.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "t/unit/tap.h"
#include "worker/loop/loop.h"

static struct loop *loop;
static struct loop_fd a, b, moved;
static struct loop_task first, second;
static struct timer end;
static int a_events, b_events, moved_events, first_runs, second_runs, freed;
static int first_at_second;

static void
a_cb(struct loop_fd *lfd, uint32_t events)
{
	a_events++;
	loop_del(loop, &b);
	loop_del(loop, &a);
}

static void
b_cb(struct loop_fd *lfd, uint32_t events)
{
	b_events++;
	loop_del(loop, &a);
	loop_del(loop, &b);
}

static void
moved_cb(struct loop_fd *lfd, uint32_t events)
{
	moved_events++;
	loop_del(loop, lfd);
	loop_stop(loop);
}

static void
first_cb(struct loop_task *task)
{
	if (++first_runs == 1)
		loop_defer(loop, &first);
	else
		loop_stop(loop);
}

static void
second_cb(struct loop_task *task)
{
	second_runs++;
	first_at_second = first_runs;
}

static void
end_cb(struct timer *t)
{
	loop_stop(loop);
}

static void
free_cb(struct loop_garbage *g)
{
	freed++;
}

static void
tasks(void)
{
	static struct loop_task withdrawn = { .cb = second_cb };

	first.cb = first_cb;
	second.cb = second_cb;
	timer_init(&end, end_cb);
	/* Where the task does not run again. */
	timer_arm(loop_timers(loop), &end, loop_now(loop) + 10 * CLOCK_SEC);
	loop_defer(loop, &first);
	loop_defer(loop, &first);
	loop_defer(loop, &withdrawn);
	loop_defer(loop, &second);
	loop_undefer(loop, &withdrawn);
	is_int(loop_run(loop, NULL, NULL), 0, "the loop runs until it is told");
	timer_cancel(loop_timers(loop), &end);
	is_int(first_runs, 2, "a task that defers itself runs once more");
	is_int(second_runs, 1, "a task that was withdrawn does not run");
	is_int(first_at_second, 1, "what a task defers goes behind the others");
}

static int pipes[2][2], others[2];
static struct loop_fd heir;
static int heir_events, closed;

static void
heir_cb(struct loop_fd *lfd, uint32_t events)
{
	heir_events++;
}

/* Whichever of the two comes first closes the other one, and adds another file
 * under its number. */
static void
replace_cb(struct loop_fd *lfd, uint32_t events)
{
	struct loop_fd *other = lfd == &a ? &b : &a;
	int fd = other->fd;

	if (fd == -1 || closed++ > 0)
		return;
	loop_forget(other);
	if (dup3(others[0], fd, O_CLOEXEC) != fd ||
	    loop_add(loop, &heir, fd, EPOLLIN) != 0)
		abort();
}

static void
reused(void)
{
	if (pipe(pipes[0]) != 0 || pipe(pipes[1]) != 0 || pipe(others) != 0)
		abort();
	a = (struct loop_fd){ .cb = replace_cb };
	b = (struct loop_fd){ .cb = replace_cb };
	heir = (struct loop_fd){ .cb = heir_cb };
	loop_add(loop, &a, pipes[0][0], EPOLLIN | EPOLLET);
	loop_add(loop, &b, pipes[1][0], EPOLLIN | EPOLLET);
	if (write(pipes[0][1], "x", 1) != 1 || write(pipes[1][1], "x", 1) != 1)
		abort();
	timer_arm(loop_timers(loop), &end, loop_now(loop) + CLOCK_MSEC);
	loop_run(loop, NULL, NULL);
	is_int(closed, 1, "a descriptor is closed in the turn of its event");
	is_int(heir_events, 0,
	    "which is not taken for one of what has its number now");
	loop_del(loop, &heir);
	loop_del(loop, &a);
	loop_del(loop, &b);
}

static void
descriptors(void)
{
	static struct loop_garbage garbage = { .free = free_cb };
	int p[2], q[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, p) == -1 ||
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, q) == -1)
		abort();
	a = (struct loop_fd){ .cb = a_cb };
	b = (struct loop_fd){ .cb = b_cb };
	is_int(loop_add(loop, &a, p[0], EPOLLIN), 0, "a descriptor is added");
	is_int(loop_add(loop, &b, q[0], EPOLLIN), 0, "and another");
	is_int(loop_add(loop, &moved, p[0], EPOLLIN), -EEXIST,
	    "the same one is not added twice");
	is_int(moved.fd, -1, "and its owner knows that it is not in the loop");
	loop_free_later(loop, &garbage);
	if (write(p[1], "x", 1) != 1 || write(q[1], "x", 1) != 1)
		abort();
	timer_arm(loop_timers(loop), &end, loop_now(loop) + CLOCK_MSEC);
	loop_run(loop, NULL, NULL);
	is_int(a_events + b_events, 1,
	    "an event of this turn is dropped once its descriptor is removed");
	is_int(freed, 1, "garbage is freed once, at the end of the turn");

	loop_free(loop);
	if (loop_new(&loop) != 0)
		abort();
	moved = (struct loop_fd){ .cb = moved_cb };
	loop_add(loop, &a, p[0], EPOLLIN | EPOLLET);
	loop_move(loop, &a, &moved);
	is_int(moved.fd, p[0], "a descriptor changes its owner");
	is_int(a.fd, -1, "the first owner has it no more");
	loop_run(loop, NULL, NULL);
	is_int(moved_events, 1, "the new owner hears what it has not heard");
	close(p[0]);
	close(p[1]);
	close(q[0]);
	close(q[1]);
}

static int ready_fd, runs_at_event = -1;

static void
slow_cb(struct loop_task *task)
{
	int64_t begun = clock_now();

	while (clock_now() - begun < 5 * CLOCK_MSEC)
		continue;
	if (write(ready_fd, "x", 1) != 1)
		abort();
}

static void
event_cb(struct loop_fd *lfd, uint32_t events)
{
	runs_at_event = second_runs;
	loop_del(loop, lfd);
}

static void
last_cb(struct loop_task *task)
{
	loop_stop(loop);
}

static void
slices(void)
{
	static struct loop_task slow = { .cb = slow_cb };
	static struct loop_task last = { .cb = last_cb };
	struct loop_fd lfd = { .cb = event_cb };
	int p[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, p) == -1 ||
	    loop_add(loop, &lfd, p[0], EPOLLIN) != 0)
		abort();
	ready_fd = p[1];
	second_runs = 0;
	loop_defer(loop, &slow);
	loop_defer(loop, &second);
	loop_defer(loop, &last);
	loop_run(loop, NULL, NULL);
	is_int(runs_at_event, 0,
	    "what is ready after a long task comes before the next task");
	is_int(second_runs, 1, "which runs nevertheless");
	close(p[0]);
	close(p[1]);
}

static int pieces, tasks_at_piece, second_at_last;

/* A piece of work during which something comes for somebody else. */
static bool
piece_cb(struct loop_work *work)
{
	int64_t begun = clock_now();

	while (clock_now() - begun < CLOCK_MSEC / 4)
		continue;
	if (++pieces == 1)
		tasks_at_piece = second_runs;
	if (pieces == 8)
		loop_defer(loop, &second);
	second_at_last = second_runs;
	if (pieces == 40)
		loop_stop(loop);
	return (pieces < 40);
}

/* Long work comes after tasks, and stops for them. */
static void
work(void)
{
	static struct loop_work work = { .cb = piece_cb };

	second_runs = 0;
	loop_work(loop, &work);
	loop_defer(loop, &second);
	loop_run(loop, NULL, NULL);
	is_int(tasks_at_piece, 1, "a task comes before long work");
	is_int(pieces, 40, "which goes on without more being asked for");
	is_int(second_at_last, 2, "and lets tasks that come later through");
}

int
main(void)
{
	if (loop_new(&loop) != 0)
		abort();
	tasks();
	loop_free(loop);
	if (loop_new(&loop) != 0)
		abort();
	work();
	loop_free(loop);
	if (loop_new(&loop) != 0)
		abort();
	/* loop_stop() is for good: each run has a loop of its own. */
	descriptors();
	loop_free(loop);
	if (loop_new(&loop) != 0)
		abort();
	reused();
	loop_free(loop);
	if (loop_new(&loop) != 0)
		abort();
	slices();
	loop_free(loop);
	return (done_testing());
}
