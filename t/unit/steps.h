/*
 * A test on a loop, in steps, each of which begins when all that was asked
 * before is answered.
 */
#ifndef T_UNIT_STEPS_H
#define T_UNIT_STEPS_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/log/log.h"
#include "common/log/sink.h"
#include "t/unit/sink_path.h"
#include "t/unit/tap.h"
#include "worker/loop/loop.h"

struct test; /* of who includes this */

struct steps {
	struct loop *loop;
	struct log *log; /* to /dev/null */
	struct sink *sink;
	struct test *test;
	void (*const *next)(struct test *);
	unsigned waiting; /* answers that are to come */
	struct loop_task task;
};

static void
steps_cb(struct loop_task *task)
{
	struct steps *s = container_of(task, struct steps, task);

	if (s->waiting != 0) /* it was 0 in between */
		return;
	if (*s->next == NULL) {
		loop_stop(s->loop);
		return;
	}
	(*s->next++)(s->test);
	if (s->waiting == 0)
		loop_defer(s->loop, &s->task);
}

/* One answer is there, or is not waited for any more. */
static void
steps_answered(struct steps *s)
{
	if (--s->waiting == 0)
		loop_defer(s->loop, &s->task);
}

static void
steps_open(struct steps *s, struct test *test)
{
	*s = (struct steps){ .test = test, .task.cb = steps_cb };
	if (loop_new(&s->loop) != 0 || sink_path(&s->sink, "/dev/null") != 0 ||
	    log_new(&s->log, s->sink, LOG_LEVEL_DEBUG, "test") != 0) {
		printf("Bail out! no loop or no log\n");
		exit(1);
	}
	alarm(60); /* a question that never ends is a failure, too */
}

/* Runs the steps up to a NULL, or to the end of the loop. */
static void
steps_run(struct steps *s, void (*const *steps)(struct test *))
{
	s->next = steps;
	loop_defer(s->loop, &s->task);
	is_int(loop_run(s->loop, NULL, NULL), 0, "the loop ran");
}

static void
steps_close(struct steps *s)
{
	loop_free(s->loop);
	log_free(s->log);
	sink_close(s->sink);
}

#endif
