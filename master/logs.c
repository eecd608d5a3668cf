/* Opens, shares, reopens and closes the logs; see logs.h. */
#include "master/logs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "common/log/log.h"
#include "common/log/sink.h"
#include "master/logs_state.h"
#include "master/writer.h"

const char *
logs_setting(const struct logs_entry *e)
{
	return (e->role == LOGS_ERROR ? "log.error" : "log.access");
}

void
logs_init(struct logs *l, int epoll_fd, const struct writer_forget *forget)
{
	l->forget = *forget;
	TAILQ_INIT(&l->list);
	l->epoll_fd = epoll_fd;
}

struct sink *
logs_sink(const struct logs_entry *e)
{
	return (e->sink);
}

void
logs_hear(struct logs_entry *e)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = e };

	if (e->writer.status != -1)
		(void)epoll_ctl(
		    e->logs->epoll_fd, EPOLL_CTL_ADD, e->writer.status, &ev);
}

void
logs_unhear(struct logs_entry *e)
{
	if (e->writer.status != -1)
		(void)epoll_ctl(
		    e->logs->epoll_fd, EPOLL_CTL_DEL, e->writer.status, NULL);
}

static void
close_entry(struct logs_entry *e)
{
	sink_close(e->sink);
	e->sink = NULL;
	if (!e->has_writer)
		return;
	logs_unhear(e);
	writer_close(&e->writer);
	e->has_writer = false;
}

static void
entry_free(struct logs_entry *e)
{
	close_entry(e);
	TAILQ_REMOVE(&e->logs->list, e, entry);
	free(e);
}

void
logs_fini(struct logs *l)
{
	struct logs_entry *e;

	while ((e = TAILQ_FIRST(&l->list)) != NULL)
		entry_free(e);
}

static int
open_writer(struct logs_entry *e, const struct run_as *run_as)
{
	int error =
	    writer_open(&e->writer, e->target, run_as, &e->logs->forget);

	if (error != 0)
		return (error);
	e->has_writer = true;
	error = sink_new(&e->sink, e->writer.lines);
	if (error != 0)
		return (error);
	e->writer.lines = -1;
	logs_hear(e);
	return (0);
}

static int
open_entry(struct logs_entry *e, const struct run_as *run_as)
{
	int error;

	if (e->target[0] == '/')
		return (open_writer(e, run_as));
	error = sink_open(&e->sink, e->target);
	if (error != 0 || !sink_may_block(e->sink))
		return (error);
	sink_close(e->sink);
	e->sink = NULL;
	return (open_writer(e, run_as));
}

static bool
is_file(const struct logs_entry *e)
{
	return (e->has_writer && e->target[0] == '/');
}

/* Where it fails the log goes on as it was. */
static int
reopen(struct logs_entry *e, const struct run_as *run_as)
{
	int error;

	logs_unhear(e);
	error = writer_reopen(&e->writer, run_as);
	logs_hear(e);
	if (error == 0)
		e->error = 0;
	return (error);
}

static struct logs_entry *
find(struct logs *l, enum logs_role role, const char *target)
{
	struct logs_entry *e;

	TAILQ_FOREACH (e, &l->list, entry)
		if (e->users > 0 && e->role == role && e->sink != NULL &&
		    strcmp(e->target, target) == 0)
			return (e);
	return (NULL);
}

int
logs_open(struct logs *l, enum logs_role role, const char *target,
    const struct run_as *run_as, struct logs_entry **entry)
{
	struct logs_entry *e = find(l, role, target);
	size_t size = strlen(target) + 1;
	int error;

	if (e != NULL) {
		error = is_file(e) ? reopen(e, run_as) : 0;
		if (error != 0)
			return (error);
		e->users++;
		*entry = e;
		return (0);
	}
	e = calloc(1, sizeof(*e) + size);
	if (e == NULL)
		return (-ENOMEM);
	memcpy(e->target, target, size);
	e->logs = l;
	e->role = role;
	e->users = 1;
	TAILQ_INSERT_TAIL(&l->list, e, entry);
	error = open_entry(e, run_as);
	if (error != 0) {
		entry_free(e);
		return (error);
	}
	*entry = e;
	return (0);
}

/* Nothing more will come from here. False: something waits yet. */
static bool
close_lines(struct logs_entry *e)
{
	if (e->sink != NULL && !sink_flush(e->sink))
		return (false);
	sink_close(e->sink);
	e->sink = NULL;
	return (!e->has_writer || writer_ended(&e->writer));
}

void
logs_tidy(struct logs_entry *e)
{
	if (e->users == 0 && close_lines(e))
		entry_free(e);
}

void
logs_release(struct logs_entry *e)
{
	if (e == NULL)
		return;
	e->users--;
	logs_tidy(e);
}

void
logs_reopen(struct logs *l, struct log *log)
{
	struct logs_entry *e;
	size_t files = 0, n = 0;
	int error;

	TAILQ_FOREACH (e, &l->list, entry) {
		if (!is_file(e))
			continue;
		files++;
		error = reopen(e, &e->writer.run_as);
		n += error == 0;
		if (error != 0)
			log_write(log, LOG_LEVEL_ERROR,
			    "%s: %s cannot be opened again: %s: lines go on to "
			    "the file that was open",
			    logs_setting(e), e->target,
			    sink_describe_open(error));
	}
	if (files == 0)
		log_write(log, LOG_LEVEL_NOTICE,
		    "logs: none was reopened, since none is a file");
	else if (n < files)
		log_write(log, LOG_LEVEL_NOTICE, "logs: %zu of %zu reopened", n,
		    files);
	else
		log_write(log, LOG_LEVEL_NOTICE, "logs: reopened");
}
