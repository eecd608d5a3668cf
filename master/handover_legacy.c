/* Hands over what dead workers have left, and the scribes that write it. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>

#include "common/shm/shm.h"
#include "master/codec.h"
#include "master/handover_part.h"
#include "master/legacy_state.h"
#include "master/logs.h"
#include "master/master.h"
#include "master/private.h"
#include "master/scribe_state.h"

#define LEGACIES_MAX 65536

static void
code_scribe(struct codec *c, struct scribe *s)
{
	handover_run_as(c, &s->run_as);
	s->memory = codec_fd(c, s->memory, CODEC_FILE_MEMORY);
	s->pid = (pid_t)codec_number(c, (uint64_t)s->pid, INT_MAX);
	s->start_at = codec_time(c, s->start_at);
	s->moved_at = codec_time(c, s->moved_at);
	s->at = codec_number(c, s->at, UINT64_MAX);
	s->fatal = codec_number(c, s->fatal, UINT64_MAX);
	s->deaths = (unsigned)codec_number(c, s->deaths, UINT_MAX);
	s->fatals = codec_number(c, s->fatals, UINT64_MAX);
	if (s->pid == 1)
		codec_fail(c, -EPROTO, "a scribe has a false number");
}

static void
adopt_scribe(struct codec *c, struct master *m, struct legacy *l)
{
	struct scribe *s = &l->scribe;

	s->source = legacy_lines(l);
	s->audit = logs_sink(l->crew->audit_log);
	s->forget = m->logs.forget;
	if (c->error != 0 || c->blind)
		return;
	s->state = private_adopt(sizeof(*s->state), s->memory);
	if (s->state == NULL)
		codec_fail(c, -errno,
		    "the memory of a scribe is not what it should be");
}

static struct crew *
code_crew(struct codec *c, struct master *m, struct crew *its)
{
	uint64_t number = its != NULL ? its->number : 0;
	struct crew *crew;

	number = codec_number(c, number, UINT32_MAX);
	TAILQ_FOREACH (crew, &m->crews, entry)
		if (crew->number == number)
			return (crew);
	codec_fail(c, -EPROTO, "a scribe has no generation");
	return (NULL);
}

static void
code_legacy(struct codec *c, struct master *m, struct legacy *l)
{
	l->crew = code_crew(c, m, l->crew);
	if (l->crew == NULL)
		return;
	l->worker = (unsigned)codec_number(c, l->worker, l->crew->nworkers - 1);
	l->pid = (pid_t)codec_number(c, (uint64_t)l->pid, INT_MAX);
	l->table = codec_fd(c, l->table, CODEC_FILE_MEMORY);
	l->room = codec_number(c, l->room, UINT64_MAX);
	l->taken = codec_number(c, l->taken, UINT64_MAX);
	l->died = codec_time(c, l->died);
	l->accepted = codec_number(c, l->accepted, UINT64_MAX);
	l->guess = codec_number(c, l->guess, UINT64_MAX);
	l->since = codec_time(c, l->since);
	l->written = codec_number(c, l->written, UINT64_MAX);
	l->leave_until = codec_time(c, l->leave_until);
	l->begun = codec_flag(c, l->begun);
	if (!l->begun)
		return;
	code_scribe(c, &l->scribe);
	if (c->reads)
		adopt_scribe(c, m, l);
}

static void
read_legacy(struct codec *c, struct master *m)
{
	struct legacy *l = calloc(1, sizeof(*l));

	if (l == NULL) {
		codec_fail(c, -ENOMEM, "there is no memory");
		return;
	}
	l->table = -1;
	TAILQ_INSERT_TAIL(&m->legacies, l, entry);
	code_legacy(c, m, l);
}

void
handover_legacies(struct codec *c, struct master *m)
{
	struct legacy *l;
	uint64_t n = 0;

	TAILQ_FOREACH (l, &m->legacies, entry)
		n++;
	n = codec_number(c, n, LEGACIES_MAX);
	if (!c->reads) {
		TAILQ_FOREACH (l, &m->legacies, entry)
			code_legacy(c, m, l);
	}
	for (; c->reads && n > 0 && c->error == 0; n--)
		read_legacy(c, m);
}
