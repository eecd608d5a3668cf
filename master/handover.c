/* Writes the master's state for another program, and reads it there. */
#include "master/handover.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "common/log/log.h"
#include "common/log/sink.h"
#include "common/shm/reports.h"
#include "common/shm/shm.h"
#include "master/codec.h"
#include "master/generation.h"
#include "master/handover_part.h"
#include "master/keyring.h"
#include "master/layouts.h"
#include "master/legacy_state.h"
#include "master/logs_state.h"
#include "master/master.h"
#include "master/scribe_state.h"
#include "master/writer_state.h"

/* "sniport" and a newline, on a machine that stores the lowest byte first. */
#define MAGIC UINT64_C(0x0a74726f70696e73)

/* Where its numbers stand, before all else. */
enum {
	HEAD_MAGIC,
	HEAD_VERSION,
	HEAD_SIZE, /* of all */
	HEAD_SUM,  /* of what is behind */
	HEAD_NUMBERS
};

#define HEAD_BYTES (HEAD_NUMBERS * sizeof(uint64_t))

/* FNV-1a, against mistakes alone: nobody else can write there. */
static uint64_t
sum(const uint8_t *p, size_t size)
{
	uint64_t n = UINT64_C(0xcbf29ce484222325);
	size_t i;

	for (i = 0; i < size; i++)
		n = (n ^ p[i]) * UINT64_C(0x100000001b3);
	return (n);
}

static void
code_notify(struct codec *c, struct notify *n)
{
	n->to_len = (socklen_t)codec_number(c, n->to_len, sizeof(n->to));
	codec_bytes(c, &n->to, sizeof(n->to));
	n->watchdog = codec_time(c, n->watchdog);
}

static void
code_expiries(struct codec *c, struct expiries *all)
{
	struct expiry *e;

	all->n = codec_number(c, all->n, EXPIRY_MAX);
	for (e = all->list; e < all->list + all->n; e++) {
		e->kind =
		    (enum expiry_kind)codec_number(c, e->kind, EXPIRY_CRL);
		if (c->reads)
			e->file = "";
		e->index = (unsigned)codec_number(c, e->index, UINT_MAX);
		e->key_type = (int)codec_signed(c, e->key_type);
		e->number = (unsigned)codec_number(c, e->number, UINT_MAX);
		e->begins = codec_signed(c, e->begins);
		e->ends = codec_signed(c, e->ends);
		e->told = (unsigned)codec_number(c, e->told, UINT_MAX);
	}
}

static void
code_memory(struct codec *c, struct master *m)
{
	int files[SHM_FILES], error;
	size_t i;

	if (!c->reads)
		shm_files(m->shm, files);
	for (i = 0; i < SHM_FILES; i++)
		files[i] =
		    codec_fd(c, c->reads ? -1 : files[i], CODEC_FILE_MEMORY);
	if (!c->reads || c->blind || c->error != 0)
		return;
	error = shm_adopt(files, &m->shm);
	if (error != 0)
		codec_fail(c, error, "the shared memory cannot be had");
}

static void
code_upgrade(struct codec *c, struct master *m)
{
	struct upgrade *u = &m->upgrade;
	struct expiries served = u->served;
	char version[sizeof(u->version)] = SNIPORT_VERSION;
	size_t i;

	codec_text(c, version, sizeof(version));
	if (c->reads)
		memcpy(u->version, version, sizeof(version));
	codec_text(c, u->program, sizeof(u->program));
	codec_text(c, u->file, sizeof(u->file));
	u->before = codec_fd(c, u->before, CODEC_FILE_ANY);
	u->reported = codec_flag(c, u->reported);
	u->asked = codec_flag(c, c->reads ? false : m->reload_wanted);
	u->wanted = codec_flag(c, u->wanted);
	u->ntokens = codec_number(c, u->ntokens, UPGRADE_TOKENS);
	for (i = 0; i < u->ntokens; i++)
		u->tokens[i] = (uint64_t)codec_signed(c, (int64_t)u->tokens[i]);
	m->reload_began = codec_time(c, m->reload_began);
	if (!c->reads && m->current != NULL && m->current->generation != NULL)
		served = m->current->generation->expiries;
	code_expiries(c, &served);
	if (c->reads)
		u->served = served;
}

static void
code_master(struct codec *c, struct master *m)
{
	codec_mark(c, "mast");
	code_upgrade(c, m);
	code_notify(c, &m->notify);
	m->last_number = (unsigned)codec_number(c, m->last_number, UINT_MAX);
	m->serving = codec_number(c, m->serving, SIZE_MAX);
	codec_text(c, m->failure, sizeof(m->failure));
	m->limit_at = codec_time(c, m->limit_at);
	m->watchdog_at = codec_time(c, m->watchdog_at);
	code_memory(c, m);
	report_code(c, &m->reports);
	codec_mark(c, "logs");
	handover_logs(c, m);
	codec_mark(c, "list");
	handover_listeners(c, m);
	codec_mark(c, "crew");
	handover_crews(c, m);
	codec_mark(c, "dead");
	handover_legacies(c, m);
	codec_mark(c, "admi");
	handover_admin(c, m);
	codec_end(c);
}

int
handover_write(struct codec *c, struct master *m)
{
	uint64_t head[HEAD_NUMBERS] = { MAGIC, HANDOVER_VERSION };

	codec_write_init(c);
	codec_bytes(c, head, sizeof(head));
	layouts_code(c);
	code_master(c, m);
	if (c->error != 0)
		return (c->error);
	head[HEAD_SIZE] = c->size;
	head[HEAD_SUM] = sum(c->bytes + HEAD_BYTES, c->size - HEAD_BYTES);
	memcpy(c->bytes, head, sizeof(head));
	return (0);
}

static void
read_head(struct codec *c)
{
	uint64_t head[HEAD_NUMBERS];

	codec_bytes(c, head, sizeof(head));
	if (head[HEAD_MAGIC] != MAGIC)
		codec_fail(c, -EPROTO, "it is not a state of sniport");
	if (head[HEAD_VERSION] != HANDOVER_VERSION)
		codec_fail(c, -EPROTO, "its version is another one");
	if (head[HEAD_SIZE] != c->size)
		codec_fail(c, -EPROTO, "it is cut short");
	if (c->error == 0 &&
	    head[HEAD_SUM] != sum(c->bytes + HEAD_BYTES, c->size - HEAD_BYTES))
		codec_fail(c, -EPROTO, "its checksum is wrong");
}

int
handover_read(struct codec *c, const void *bytes, size_t size, bool blind,
    struct master *m)
{
	codec_read_init(c, bytes, size, blind);
	read_head(c);
	if (c->error == 0)
		layouts_code(c);
	if (c->error == 0)
		code_master(c, m);
	return (c->error);
}

static void
forget_crew(struct crew *crew)
{
	struct child *child;

	while ((child = TAILQ_FIRST(&crew->children)) != NULL) {
		TAILQ_REMOVE(&crew->children, child, entry);
		free(child);
	}
	keyring_leave(crew->keyring);
	log_free(crew->log);
	free(crew->rules.rows);
	free(crew->seats);
	free(crew->terms);
	free(crew);
}

static void
forget_logs(struct logs *l)
{
	struct logs_entry *e;

	while ((e = TAILQ_FIRST(&l->list)) != NULL) {
		TAILQ_REMOVE(&l->list, e, entry);
		sink_leave(e->sink);
		if (e->writer.state != NULL)
			munmap(e->writer.state, sizeof(*e->writer.state));
		free(e);
	}
}

static void
forget_legacies(struct master *m)
{
	struct legacy *l;

	while ((l = TAILQ_FIRST(&m->legacies)) != NULL) {
		TAILQ_REMOVE(&m->legacies, l, entry);
		if (l->scribe.state != NULL)
			munmap(l->scribe.state, sizeof(*l->scribe.state));
		free(l);
	}
}

void
handover_forget(struct master *m)
{
	struct admin_child *child;
	struct group *g;
	struct crew *crew;

	forget_legacies(m);
	while ((crew = TAILQ_FIRST(&m->crews)) != NULL) {
		TAILQ_REMOVE(&m->crews, crew, entry);
		forget_crew(crew);
	}
	while ((g = TAILQ_FIRST(&m->listeners.groups)) != NULL) {
		TAILQ_REMOVE(&m->listeners.groups, g, entry);
		free(g->fds);
		free(g->places);
		free(g->stored);
		free(g);
	}
	while ((child = TAILQ_FIRST(&m->admin.children)) != NULL) {
		TAILQ_REMOVE(&m->admin.children, child, entry);
		free(child);
	}
	forget_logs(&m->logs);
	reports_unmap(m->reports.writer);
	m->reports.writer = NULL;
	m->current = NULL;
}
