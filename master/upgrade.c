/* Tries another program, and becomes it. */
#include "master/upgrade.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/fd.h"
#include "common/log/log.h"
#include "common/shm/reports.h"
#include "master/codec.h"
#include "master/death.h"
#include "master/handover.h"
#include "master/master.h"
#include "master/program.h"

/* For what has to be over first: logs that take no lines, sockets of removed
 * listeners that are still served. */
#define WAIT_PATIENCE (10 * CLOCK_SEC)
#define WAIT_LOOK     (20 * CLOCK_MSEC)

/* The same, where the way is back. */
#define UNDO_PATIENCE (1 * CLOCK_SEC)

/* For a program to read its configuration. */
#define TRIAL_PATIENCE (60 * CLOCK_SEC)

void
upgrade_init(struct master *m, const char *file, char *const *argv)
{
	struct upgrade *u = &m->upgrade;

	*u = (struct upgrade){ .argv = argv, .before = -1 };
	trial_init(&u->trial);
	program_find(u->program);
	snprintf(u->file, sizeof(u->file), "%s", file);
}

static void
end(struct master *m)
{
	trial_close(m);
	m->upgrade.step = UPGRADE_NONE;
}

void
upgrade_fini(struct master *m)
{
	struct upgrade *u = &m->upgrade;

	trial_kill(&u->trial);
	if (u->trial.pid > 0)
		(void)waitpid(u->trial.pid, NULL, 0);
	u->trial.pid = 0;
	end(m);
	fd_close(&u->before);
}

bool
upgrade_is_busy(const struct master *m)
{
	return (m->upgrade.step != UPGRADE_NONE);
}

static void fail(struct master *, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* With what the trial had to say. The master's findings are of a load, and
 * there is none. */
static void
fail(struct master *m, const char *fmt, ...)
{
	struct upgrade *u = &m->upgrade;
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	findings_init(&m->findings);
	trial_tell(&u->trial, u->program, LOG_LEVEL_ERROR, &m->findings);
	findings_add(&m->findings, LOG_LEVEL_ERROR,
	    "upgrade: failed: %s: sniport " SNIPORT_VERSION " goes on", text);
	findings_log(&m->findings, m->log);
	if (u->reported)
		report_end(m, NULL, clock_now());
	u->reported = false;
	findings_fini(&m->findings);
	end(m);
}

static void
tell_passed(struct master *m)
{
	struct findings f;

	findings_init(&f);
	trial_tell(&m->upgrade.trial, m->upgrade.program, LOG_LEVEL_NOTICE, &f);
	findings_log(&f, m->log);
	findings_fini(&f);
	/* It is told once. */
	m->upgrade.trial.nsaid = 0;
	m->upgrade.trial.said[0] = '\0';
}

void
upgrade_want(struct master *m, uint64_t token)
{
	struct upgrade *u = &m->upgrade;
	size_t i;

	if (m->phase != MASTER_RUNNING) {
		if (!m->done)
			log_write(m->log, LOG_LEVEL_WARNING,
			    "upgrade: ignored: sniport is stopping");
		return;
	}
	/* Who had no answer may have asked again. */
	for (i = 0; i < u->ntokens; i++)
		if (u->tokens[i] == token)
			return;
	if (token != 0 && reports_find(m->reports.writer, token) != 0)
		return;
	if (token != 0 && u->ntokens < UPGRADE_TOKENS)
		u->tokens[u->ntokens++] = token;
	u->wanted = true;
}

bool
upgrade_has_report(const struct master *m)
{
	return (m->upgrade.handed && m->upgrade.reported);
}

/* All of it is in the report of the load that it ends with. */
static void
begin_report(struct master *m)
{
	struct upgrade *u = &m->upgrade;

	while (u->ntokens > 0)
		(void)reports_ask(m->reports.writer, u->tokens[--u->ntokens]);
	report_begin(m);
	u->reported = true;
}

static void
begin(struct master *m, int64_t now)
{
	struct upgrade *u = &m->upgrade;
	int error;

	u->wanted = false;
	m->reload_began = now;
	begin_report(m);
	if (u->program[0] == '\0') {
		fail(m, "the program's file is not known");
		return;
	}
	log_write(m->log, LOG_LEVEL_NOTICE, "upgrade: trying %s", u->program);
	error = trial_open(&u->trial, u->program);
	if (error != 0) {
		fail(m, "%s: %s", u->program, strerror(-error));
		return;
	}
	u->step = UPGRADE_WAITS;
	u->until = now + WAIT_PATIENCE;
}

/* What is in the way can go by itself. False: it is too late for that. */
static bool
may_wait(const struct master *m, int error, int64_t now)
{
	return (error == -EAGAIN && now < m->upgrade.until);
}

static void
try(struct master *m, int64_t now)
{
	struct upgrade *u = &m->upgrade;
	const char *step;
	struct codec c;
	int error;

	error = handover_write(&c, m);
	if (error == 0) {
		error = trial_run(m, &c, &step);
		if (error != 0)
			fail(m, "%s: %s", step, strerror(-error));
		u->step = error == 0 ? UPGRADE_TRIES : UPGRADE_NONE;
		u->until = now + TRIAL_PATIENCE;
	} else if (!may_wait(m, error, now)) {
		fail(m, "%s", c.wrong);
	}
	codec_fini(&c);
}

/* Returns -errno where it has failed, with the text. */
static int
become(struct master *m, int exe, const char *failure, char *text, size_t size)
{
	struct program_handover h = {
		.state = -1, .before = m->upgrade.before, .failure = failure
	};
	struct codec c;
	int error;

	error = handover_write(&c, m);
	if (error != 0) {
		snprintf(text, size, "%s", c.wrong);
		codec_fini(&c);
		return (error);
	}
	h.state = program_state(&c);
	error = h.state < 0 ? h.state : 0;
	if (error == 0) {
		codec_share(&c, true);
		error = program_become(exe, m->upgrade.argv, &h);
		codec_share(&c, false);
		fd_close(&h.state);
	}
	codec_fini(&c);
	snprintf(text, size, "%s", strerror(-error));
	return (error);
}

static void
run(struct master *m, int64_t now)
{
	struct upgrade *u = &m->upgrade;
	char text[256];
	int error;

	u->before = program_open(NULL);
	if (u->before < 0) {
		error = u->before;
		u->before = -1;
		fail(m, "the running program cannot be opened: %s",
		    strerror(-error));
		return;
	}
	error = become(m, u->trial.exe, NULL, text, sizeof(text));
	if (!may_wait(m, error, now))
		fail(m, "%s", text);
	fd_close(&u->before);
}

void
upgrade_step(struct master *m)
{
	struct upgrade *u = &m->upgrade;
	int64_t now = clock_now();

	if (m->phase != MASTER_RUNNING) {
		u->wanted = false;
		if (u->step == UPGRADE_TRIES)
			trial_kill(&u->trial);
		else if (u->step != UPGRADE_NONE)
			fail(m, "sniport is stopping");
		return;
	}
	if (m->next != NULL || m->current == NULL)
		return;
	if (u->step == UPGRADE_NONE && u->wanted && !m->reload_wanted)
		begin(m, now);
	if (u->step == UPGRADE_WAITS)
		try(m, now);
	else if (u->step == UPGRADE_TRIES && u->until <= now)
		trial_kill(&u->trial);
	else if (u->step == UPGRADE_PASSED)
		run(m, now);
}

int64_t
upgrade_tick(struct master *m, int64_t now)
{
	switch (m->upgrade.step) {
	case UPGRADE_NONE:
		break;
	case UPGRADE_WAITS:
	case UPGRADE_PASSED:
		return (now + WAIT_LOOK);
	case UPGRADE_TRIES:
		/* One that was killed may take its time to end. */
		return (m->upgrade.until > now ? m->upgrade.until
					       : now + WAIT_LOOK);
	}
	return (CLOCK_NEVER);
}

bool
upgrade_receive(struct master *m, const void *p)
{
	struct upgrade *u = &m->upgrade;

	if (p != u)
		return (false);
	if (!trial_hear(&u->trial))
		trial_close_output(m);
	return (true);
}

bool
upgrade_reaped(struct master *m, pid_t pid, int status)
{
	struct upgrade *u = &m->upgrade;
	char text[DEATH_TEXT_SIZE];
	bool passed = WIFEXITED(status) && WEXITSTATUS(status) == 0;
	int64_t now = clock_now();

	if (u->trial.pid == 0 || u->trial.pid != pid)
		return (false);
	u->trial.pid = 0;
	(void)trial_hear(&u->trial);
	trial_close_output(m);
	if (passed && m->phase == MASTER_RUNNING) {
		tell_passed(m);
		u->step = UPGRADE_PASSED;
		u->until = now + WAIT_PATIENCE;
		return (true);
	}
	death_describe(text, status);
	if (m->done)
		end(m);
	else if (m->phase != MASTER_RUNNING)
		fail(m, "sniport is stopping");
	else if (u->until <= now)
		fail(m, "%s took too long to take over on trial", u->program);
	else
		fail(m, "%s cannot take over: %s", u->program, text);
	return (true);
}

void
upgrade_note(struct master *m)
{
	const struct upgrade *u = &m->upgrade;

	if (u->handed && u->again)
		findings_add(&m->findings, LOG_LEVEL_NOTICE,
		    "upgrade: sniport " SNIPORT_VERSION " serves again");
	else if (u->handed)
		findings_add(&m->findings, LOG_LEVEL_NOTICE,
		    "upgrade: sniport " SNIPORT_VERSION
		    " has taken over from %s",
		    u->version);
}

void
upgrade_done(struct master *m)
{
	struct upgrade *u = &m->upgrade;

	if (!u->handed)
		return;
	m->reload_wanted = m->reload_wanted || u->asked;
	u->handed = u->again = u->reported = u->asked = false;
	fd_close(&u->before);
}

void
upgrade_undo(struct master *m, const char *cause)
{
	struct upgrade *u = &m->upgrade;
	int64_t until = clock_now() + UNDO_PATIENCE;
	char text[256];
	int error, before = u->before;

	if (!u->handed || m->phase != MASTER_RUNNING)
		return;
	u->handed = u->reported = false;
	if (before == -1) {
		log_write(m->log, LOG_LEVEL_ERROR,
		    "upgrade: until a reload succeeds no worker that dies is "
		    "replaced");
		return;
	}
	/* It is not one to be gone back to from there. */
	u->before = -1;
	do {
		error = become(m, before, cause, text, sizeof(text));
		(void)poll(NULL, 0, (int)(WAIT_LOOK / CLOCK_MSEC));
	} while (error == -EAGAIN && clock_now() < until);
	log_write(m->log, LOG_LEVEL_ERROR,
	    "upgrade: the program before cannot be gone back to: %s", text);
	fd_close(&before);
}
