/*
 * A scribe writes every line of its source once, dies of some, and is given up
 * where it should be.
 */
#include "master/scribe.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/log/sink.h"
#include "t/unit/tap.h"

/* Lines with these numbers, and what happens where one is composed. */
struct lines {
	uint64_t n;
	uint64_t fatal; /* whoever composes this one dies */
	uint64_t hangs; /* or does not come back */
	int error;	/* there is nothing to be read */
	uint64_t at;
	bool uncountable; /* whoever finds the third one dies */
};

static int
open_lines(void *arg)
{
	return (((struct lines *)arg)->error);
}

/* Only even numbers have one; the last one's worker had not counted it. */
static bool
find(void *arg, uint64_t *at, bool *uncounted)
{
	struct lines *l = arg;

	*at += *at % 2;
	l->at = *at;
	*uncounted = *at == l->n - 1;
	if (l->uncountable && *at == 4)
		abort();
	return (*at < l->n);
}

static size_t
compose(void *arg, char *line, size_t size)
{
	const struct lines *l = arg;

	if (l->at == l->fatal)
		abort();
	while (l->at == l->hangs)
		;
	return ((size_t)snprintf(
	    line, size, "line %llu\n", (unsigned long long)l->at));
}

static void
again(void *arg)
{
	((struct lines *)arg)->at = 0;
}

static void
forget(void *arg)
{
	(void)arg;
}

/* Lets scribes write these lines; returns how it ended, and what was
 * written. */
static enum scribe_end
write_all(struct scribe *s, struct lines *l, char *text, size_t size)
{
	enum scribe_end end = SCRIBE_GOES_ON;
	int pair[2], status;
	int64_t now = clock_now();
	ssize_t n;

	if (pipe2(pair, O_NONBLOCK | O_CLOEXEC) != 0)
		abort();
	*s = (struct scribe){ .source = { open_lines, find, compose, again, l },
		.forget = { .call = forget } };
	if (sink_new(&s->audit, pair[1]) != 0 || scribe_start(s, now) != 0)
		abort();
	while (end == SCRIBE_GOES_ON) {
		/* It hangs: time passes for us alone. */
		if (l->hangs < l->n && waitpid(s->pid, &status, WNOHANG) == 0) {
			now += CLOCK_SEC;
			(void)scribe_tick(s, now);
			usleep(20000);
			continue;
		}
		if (l->hangs >= l->n && waitpid(s->pid, &status, 0) != s->pid)
			abort();
		end = scribe_ended(s, status, now);
		(void)scribe_tick(s, now);
	}
	n = read(pair[0], text, size - 1);
	text[n > 0 ? n : 0] = '\0';
	sink_close(s->audit);
	close(pair[0]);
	return (end);
}

/* The pipe is full, and nobody reads it. */
static void
full_log(struct scribe *s, struct lines *l)
{
	int pair[2], status;
	int64_t now = clock_now();
	uint64_t left;
	char x = 'x';

	if (pipe2(pair, O_NONBLOCK | O_CLOEXEC) != 0)
		abort();
	while (write(pair[1], &x, 1) == 1)
		;
	*s = (struct scribe){ .source = { open_lines, find, compose, again, l },
		.forget = { .call = forget } };
	if (sink_new(&s->audit, pair[1]) != 0 || scribe_start(s, now) != 0)
		abort();
	while (!scribe_left(s, &left))
		usleep(1000);
	is_int(left, 4, "a full log: lines are counted before any is written");
	ok(scribe_leave(s), "it is told to leave");
	if (waitpid(s->pid, &status, 0) != s->pid)
		abort();
	is_int(scribe_ended(s, status, now), SCRIBE_GIVEN_UP, "and does");
	ok(scribe_left(s, &left) && left == 4, "all are left");
	sink_close(s->audit);
	close(pair[0]);
	scribe_close(s);
}

int
main(void)
{
	struct lines whole = { 7, UINT64_MAX, UINT64_MAX, 0, 0, false };
	struct lines fatal = { 7, 2, UINT64_MAX, 0, 0, false };
	struct lines hangs = { 7, UINT64_MAX, 4, 0, 0, false };
	struct lines none = { 7, UINT64_MAX, UINT64_MAX, -EINVAL, 0, false };
	struct lines lost = { 7, UINT64_MAX, UINT64_MAX, 0, 0, true };
	struct scribe s;
	char text[4096];
	uint64_t left;

	is_int(write_all(&s, &whole, text, sizeof(text)), SCRIBE_DONE, "done");
	is_str(text, "line 0\nline 2\nline 4\nline 6\n", "each line once");
	is_int(scribe_written(&s), 4, "they are counted");
	is_int(scribe_uncounted(&s), 1, "as are those that nobody had counted");
	is_int(scribe_left(&s, &left), 1, "all of them");
	is_int(left, 0, "none is left");
	is_int(s.deaths, 0, "by the first scribe");
	scribe_close(&s);

	is_int(write_all(&s, &fatal, text, sizeof(text)), SCRIBE_DONE, "dies");
	is_str(text, "line 0\nline 4\nline 6\n",
	    "the next one goes on, and a line of which two died is left out");
	is_int(s.deaths, 2, "two died");
	is_int(scribe_left_out(&s), 1, "one line is missing");
	is_int(scribe_left(&s, &left), 1, "which is known");
	is_int(left, 1, "to be the only one");
	scribe_close(&s);

	is_int(write_all(&s, &hangs, text, sizeof(text)), SCRIBE_DONE, "hangs");
	is_str(text, "line 0\nline 2\nline 6\n", "it is killed and replaced");
	scribe_close(&s);

	is_int(write_all(&s, &none, text, sizeof(text)), SCRIBE_GIVEN_UP,
	    "nothing to be read is given up at once");
	is_int(s.deaths, 1, "by one");
	is_int(scribe_left(&s, &left), 0, "and cannot be counted");
	scribe_close(&s);

	(void)write_all(&s, &lost, text, sizeof(text));
	is_str(text, "line 0\nline 2\nline 6\n",
	    "lines are written that nobody lived to count");
	is_int(scribe_left(&s, &left), 0, "how many are not, is unknown");
	scribe_close(&s);

	full_log(&s, &whole);
	return (done_testing());
}
