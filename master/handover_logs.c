/* Hands over the logs, and the processes that write them. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/fd.h"
#include "common/log/sink.h"
#include "master/codec.h"
#include "master/handover_part.h"
#include "master/logs_state.h"
#include "master/master.h"
#include "master/private.h"
#include "master/writer_state.h"

#define LOGS_MAX    4096
#define TARGET_SIZE 8192

void
handover_run_as(struct codec *c, struct run_as *r)
{
	r->change = codec_flag(c, r->change);
	r->uid = (uid_t)codec_number(c, r->uid, UINT32_MAX);
	r->gid = (gid_t)codec_number(c, r->gid, UINT32_MAX);
	r->keep = (uint32_t)codec_number(c, r->keep, UINT32_MAX);
}

static void
code_writer(struct codec *c, struct writer *w)
{
	handover_run_as(c, &w->run_as);
	w->source = codec_fd(c, w->source, CODEC_FILE_PIPE);
	w->status = codec_fd(c, w->status, CODEC_FILE_SOCKET);
	w->memory = codec_fd(c, w->memory, CODEC_FILE_MEMORY);
	w->pid = (pid_t)codec_number(c, (uint64_t)w->pid, INT_MAX);
	w->start_at = codec_time(c, w->start_at);
	w->started = codec_time(c, w->started);
	w->ending = (pid_t)codec_number(c, (uint64_t)w->ending, INT_MAX);
	w->ended = codec_flag(c, w->ended);
	if (w->pid == 1 || w->ending == 1)
		codec_fail(c, -EPROTO, "a log process has a false number");
}

/* What is open by its own descriptor, or else once more. */
static void
open_sink(struct codec *c, struct logs_entry *e, int lines)
{
	int error;

	if (c->error != 0 || c->blind)
		return;
	if (lines != -1)
		error = sink_new(&e->sink, lines);
	else if (e->has_writer)
		return;
	else
		error = sink_open(&e->sink, e->target);
	if (error != 0)
		codec_fail(c, error, "a log cannot be opened");
}

static void
adopt_writer(struct codec *c, struct logs_entry *e)
{
	struct writer *w = &e->writer;

	w->target = e->target;
	w->forget = e->logs->forget;
	w->lines = -1;
	if (c->error != 0 || c->blind)
		return;
	w->state = private_adopt(sizeof(*w->state), w->memory);
	if (w->state == NULL)
		codec_fail(c, -errno,
		    "the memory of a log process is not "
		    "what it should be");
}

static void
code_entry(struct codec *c, struct logs_entry *e)
{
	int lines = -1;

	e->role =
	    codec_flag(c, e->role == LOGS_AUDIT) ? LOGS_AUDIT : LOGS_ERROR;
	e->has_writer = codec_flag(c, e->has_writer);
	if (!c->reads && e->has_writer && e->sink != NULL)
		lines = sink_fd(e->sink);
	if (!c->reads && e->sink != NULL && !sink_flush(e->sink))
		codec_fail(c, -EAGAIN, "a log takes no lines");
	if (e->has_writer) {
		lines = codec_fd(c, lines, CODEC_FILE_PIPE);
		code_writer(c, &e->writer);
	}
	e->error = -(int)codec_number(c, (uint64_t)-e->error, INT_MAX);
	e->moved = codec_number(c, e->moved, UINT64_MAX);
	e->moved_at = codec_time(c, e->moved_at);
	e->waits = codec_flag(c, e->waits);
	e->stands = codec_flag(c, e->stands);
	e->stood = codec_number(c, e->stood, UINT64_MAX);
	if (!c->reads)
		return;
	if (e->has_writer)
		adopt_writer(c, e);
	open_sink(c, e, lines);
}

/* NULL: there is no memory. */
static struct logs_entry *
add_entry(struct logs *l, const char *target)
{
	size_t size = strlen(target) + 1;
	struct logs_entry *e = calloc(1, sizeof(*e) + size);

	if (e == NULL)
		return (NULL);
	memcpy(e->target, target, size);
	e->logs = l;
	e->writer.lines = e->writer.source = e->writer.status = -1;
	e->writer.memory = -1;
	TAILQ_INSERT_TAIL(&l->list, e, entry);
	return (e);
}

static void
read_entry(struct codec *c, struct logs *l)
{
	char target[TARGET_SIZE];
	struct logs_entry *e;

	codec_text(c, target, sizeof(target));
	if (c->error != 0)
		return;
	e = add_entry(l, target);
	if (e != NULL)
		code_entry(c, e);
	else
		codec_fail(c, -ENOMEM, "there is no memory");
}

void
handover_logs(struct codec *c, struct master *m)
{
	struct logs_entry *e;
	uint64_t n = 0;

	TAILQ_FOREACH (e, &m->logs.list, entry)
		n++;
	n = codec_number(c, n, LOGS_MAX);
	for (; c->reads && n > 0 && c->error == 0; n--)
		read_entry(c, &m->logs);
	if (c->reads)
		return;
	TAILQ_FOREACH (e, &m->logs.list, entry) {
		if (strlen(e->target) >= TARGET_SIZE)
			codec_fail(c, -EFBIG, "the name of a log is too long");
		codec_text(c, e->target, TARGET_SIZE);
		code_entry(c, e);
	}
}

struct logs_entry *
handover_log(struct codec *c, struct master *m, struct logs_entry *log)
{
	struct logs_entry *e;
	uint64_t n = 0, at = 0;

	TAILQ_FOREACH (e, &m->logs.list, entry) {
		n++;
		if (e == log)
			at = n;
	}
	at = codec_number(c, at, n);
	if (!c->reads)
		return (log);
	TAILQ_FOREACH (e, &m->logs.list, entry) {
		if (at == 0 || --at > 0)
			continue;
		e->users++;
		return (e);
	}
	return (NULL);
}
