/* Starts scribes, and lets them go on where others have ended. */
#include "master/scribe.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "master/private.h"
#include "master/scribe_state.h"

/* Composing a line takes microseconds. */
#define PATIENCE   (5 * CLOCK_SEC)

#define FORK_DELAY (1 * CLOCK_SEC)

/* Then there is more wrong than some lines. */
#define DEATHS_MAX 32

/* Lines are written though nobody can say how many there are. */
#define COUNTS_MAX 8

/* A measure of what was done. */
static uint64_t
progress(const struct scribe *s)
{
	return (atomic_load(&s->state->counted) == SCRIBE_COUNTS
		    ? atomic_load(&s->state->lines)
		    : atomic_load(&s->state->at));
}

static int
launch(struct scribe *s, int64_t now)
{
	int error;

	s->at = progress(s);
	s->moved_at = now;
	atomic_store(&s->state->waiting, 0);
	s->pid = private_fork(s->state, sizeof(*s->state));
	if (s->pid == 0)
		scribe_run(s);
	s->start_at = s->pid > 0 ? CLOCK_NEVER : now + FORK_DELAY;
	if (s->pid > 0)
		return (0);
	error = -errno;
	s->pid = 0; /* a signal to -1 would reach everybody */
	return (error);
}

int
scribe_start(struct scribe *s, int64_t now)
{
	*s = (struct scribe){ .source = s->source,
		.audit = s->audit,
		.run_as = s->run_as,
		.forget = s->forget,
		.memory = -1,
		.start_at = CLOCK_NEVER,
		.fatal = UINT64_MAX };
	s->state = private_new(sizeof(*s->state), &s->memory);
	return (s->state == NULL ? -ENOMEM : launch(s, now));
}

enum scribe_end
scribe_ended(struct scribe *s, int status, int64_t now)
{
	uint64_t at = atomic_load(&s->state->at);

	s->pid = 0;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return (SCRIBE_DONE);
	if (++s->deaths >= DEATHS_MAX || atomic_load(&s->state->leave) != 0 ||
	    (WIFEXITED(status) && WEXITSTATUS(status) == SCRIBE_UNREADABLE))
		return (SCRIBE_GIVEN_UP);
	s->start_at = now;
	if (atomic_load(&s->state->counted) == SCRIBE_COUNTS) {
		if (s->deaths >= COUNTS_MAX)
			atomic_store(&s->state->counted, SCRIBE_CANNOT_COUNT);
		return (SCRIBE_GOES_ON);
	}
	if (at == s->fatal) {
		atomic_store(&s->state->at, at + 1);
		s->fatals++;
	}
	s->fatal = at;
	return (SCRIBE_GOES_ON);
}

int64_t
scribe_tick(struct scribe *s, int64_t now)
{
	uint64_t at = progress(s);

	if (s->pid == 0) {
		if (s->start_at <= now)
			(void)launch(s, now);
		return (s->pid == 0 ? s->start_at : now + PATIENCE);
	}
	if (at != s->at || atomic_load(&s->state->waiting) != 0) {
		s->at = at;
		s->moved_at = now;
	}
	if (now >= s->moved_at + PATIENCE) {
		(void)kill(s->pid, SIGKILL);
		s->moved_at = now;
	}
	return (s->moved_at + PATIENCE);
}

uint64_t
scribe_written(const struct scribe *s)
{
	return (atomic_load(&s->state->written));
}

uint64_t
scribe_uncounted(const struct scribe *s)
{
	return (atomic_load(&s->state->uncounted));
}

bool
scribe_left(const struct scribe *s, uint64_t *lines)
{
	uint64_t all = atomic_load(&s->state->lines);
	uint64_t written = scribe_written(s);

	*lines = all > written ? all - written : 0;
	return (atomic_load(&s->state->counted) == SCRIBE_HAS_COUNTED);
}

bool
scribe_leave(struct scribe *s)
{
	atomic_store(&s->state->leave, 1);
	s->start_at = CLOCK_NEVER;
	return (s->pid != 0);
}

uint64_t
scribe_left_out(const struct scribe *s)
{
	return (s->fatals + atomic_load(&s->state->left_out));
}

bool
scribe_waits(const struct scribe *s)
{
	return (atomic_load(&s->state->waiting) != 0);
}

void
scribe_close(struct scribe *s)
{
	if (s->pid > 0)
		(void)kill(s->pid, SIGKILL);
	if (s->state != NULL)
		private_free(s->state, sizeof(*s->state), &s->memory);
	s->state = NULL;
	s->pid = 0;
	s->start_at = CLOCK_NEVER;
}
