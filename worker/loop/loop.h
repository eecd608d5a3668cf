/*
 * The event loop of a worker: epoll, timers, deferred tasks, deferred free.
 * One turn is: wait, descriptors, timers, tasks, long work, free. A turn is
 * short, however much there is to do: it handles some descriptors and timers,
 * then tasks for as long as those took, and long work for as long. So what
 * became ready meanwhile need not wait for the rest. While many descriptors are
 * ready, timers, tasks and long work wait for a millisecond.
 */
#ifndef WORKER_LOOP_LOOP_H
#define WORKER_LOOP_LOOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/queue.h>

#include "worker/loop/timer.h"

#define container_of(ptr, type, member) \
	((type *)((char *)(ptr)-offsetof(type, member)))

struct loop;

/* What a stream is registered for, once: all that is to be known of it. */
#define LOOP_STREAM (EPOLLIN | EPOLLPRI | EPOLLOUT | EPOLLRDHUP | EPOLLET)

/* A descriptor in the loop; embedded in its owner, closed by its owner. */
struct loop_fd {
	int fd;					       /* -1: not in the loop */
	void (*cb)(struct loop_fd *, uint32_t events); /* EPOLL* bits */
};

/* Work that goes to the end of the queue of this turn or the next. */
struct loop_task {
	void (*cb)(struct loop_task *);
	TAILQ_ENTRY(loop_task) entry;
	bool queued;
};

/* Long work, of which there is as much as there is time for. */
struct loop_work {
	bool (*cb)(struct loop_work *); /* does a piece; true: there is more */
};

/* Memory that must outlive the turn in which it died. */
struct loop_garbage {
	void (*free)(struct loop_garbage *);
	SLIST_ENTRY(loop_garbage) entry;
};

/* 0 with *loop owned by the caller, or -errno. */
int loop_new(struct loop **);
void loop_free(struct loop *);

/* clock_now(), read once per turn. */
int64_t loop_now(const struct loop *);
struct timers *loop_timers(struct loop *);

/* Adds fd with those EPOLL* bits; lfd->cb is set before. 0 or -errno. */
int loop_add(struct loop *, struct loop_fd *, int fd, uint32_t events);
/* Changes the bits. 0 or -errno. */
int loop_mod(struct loop *, struct loop_fd *, uint32_t events);
/* Removes it (before close); events of this turn that are still to come are
 * dropped, provided that the memory is freed by loop_free_later(). */
void loop_del(struct loop *, struct loop_fd *);

/* Hands the descriptor from one owner to another, whose cb must be set. What
 * happens from now on is reported to that one; the first owner is no longer in
 * the loop. */
void loop_move(struct loop *, struct loop_fd *from, struct loop_fd *to);

/* As loop_del() for a descriptor that its owner closes right afterwards, and
 * that nobody else has a copy of: close(2) takes it out of epoll. */
void loop_forget(struct loop_fd *);

/* Runs the task once, after the descriptors and timers of this turn, or in a
 * later one if there are many; a task that is deferred by a task runs in the
 * next turn at the earliest. No turn waits while there is a task. */
void loop_defer(struct loop *, struct loop_task *);
void loop_undefer(struct loop *, struct loop_task *);

/* There is work to do: a piece of it is done in this turn or the next, and more
 * as long as there is time. One kind of work in a loop. */
void loop_work(struct loop *, struct loop_work *);

/* Calls garbage->free(garbage) at the end of the turn. */
void loop_free_later(struct loop *, struct loop_garbage *);

/* Runs turns until loop_stop(); before_wait (may be NULL) is called once a
 * turn with arg. 0 or -errno of epoll. */
int loop_run(struct loop *, void (*before_wait)(void *), void *arg);
void loop_stop(struct loop *);

#endif
