/* Hands over the workers of all generations. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "common/log/log.h"
#include "common/reason.h"
#include "common/shm/shm.h"
#include "master/codec.h"
#include "master/handover_part.h"
#include "master/keyring.h"
#include "master/logs.h"
#include "master/master.h"
#include "master/worker_set.h"

#define CREWS_MAX    100000
#define CHILDREN_MAX SHM_SLOTS
#define NAMES_MAX    ((uint64_t)32 * 1024 * 1024)

/* A field more is handed over as well, or why not is said here. */
_Static_assert(
    sizeof(void *) != 8 ||
	(sizeof(struct crew) - sizeof(struct control_msg) == 136 &&
	    sizeof(struct seat) == 144 && sizeof(struct child) == 200),
    "all of a crew is handed over");

static void
code_names(struct codec *c, struct terms *t)
{
	size_t i, n = 0, size = t->size - sizeof(*t);

	codec_bytes(c, t->names, size);
	for (i = 0; i < size; i++)
		n += t->names[i] == '\0';
	if (n != t->nrules + t->negress ||
	    (size > 0 && t->names[size - 1] != '\0'))
		codec_fail(c, -EPROTO, "the names of rules are not whole");
}

static void
code_terms(struct codec *c, struct terms *t)
{
	size_t i;

	t->grace = codec_time(c, t->grace);
	t->drain = codec_time(c, t->drain);
	t->retire = codec_time(c, t->retire);
	t->lost = codec_time(c, t->lost);
	t->watchdog = codec_time(c, t->watchdog);
	t->generations = codec_signed(c, t->generations);
	t->tunnels = codec_signed(c, t->tunnels);
	t->memory = codec_signed(c, t->memory);
	t->format = (enum audit_syntax)codec_number(c, t->format, AUDIT_TEXT);
	t->silent_connections = codec_flag(c, t->silent_connections);
	t->nrules = codec_number(c, t->nrules, NAMES_MAX);
	t->negress = codec_number(c, t->negress, NAMES_MAX);
	t->nlisteners = codec_number(c, t->nlisteners, TERMS_LISTENERS_MAX);
	for (i = 0; i < t->nlisteners; i++)
		handover_place(c, &t->listeners[i]);
	code_names(c, t);
}

static struct terms *
read_terms(struct codec *c)
{
	size_t size = codec_number(c, 0, NAMES_MAX) + sizeof(struct terms);
	struct terms *t = c->error == 0 ? calloc(1, size) : NULL;

	if (t == NULL) {
		codec_fail(c, -ENOMEM, "there is no memory");
		return (NULL);
	}
	t->size = size;
	code_terms(c, t);
	return (t);
}

static void
code_hand(struct codec *c, struct hand *h)
{
	h->in = codec_fd(c, h->in, CODEC_FILE_SOCKET);
	h->out = codec_fd(c, h->out, CODEC_FILE_SOCKET);
	h->n = (unsigned)codec_number(c, h->n, HAND_MAX);
	h->sealed = codec_flag(c, h->sealed);
	h->sent = codec_flag(c, h->sent);
	h->since = codec_time(c, h->since);
	h->unread = (int)codec_signed(c, h->unread);
	h->moved = codec_time(c, h->moved);
	if (c->error == 0 && !c->blind && (h->in == -1) != (h->out == -1))
		codec_fail(c, -EPROTO, "half of a pair is missing");
}

static void
code_child_times(struct codec *c, struct child *child)
{
	child->started = codec_time(c, child->started);
	child->alive = codec_time(c, child->alive);
	child->doubted = codec_time(c, child->doubted);
	child->kill_at = codec_time(c, child->kill_at);
	child->declined = codec_time(c, child->declined);
	child->asked_at = codec_time(c, child->asked_at);
	child->missed = codec_time(c, child->missed);
}

void
handover_child(struct codec *c, struct child *child)
{
	child->pid = (pid_t)codec_number(c, (uint64_t)child->pid, INT_MAX);
	child->slot =
	    (int)codec_number(c, (uint64_t)child->slot, SHM_SLOTS - 1);
	child->control_fd = codec_fd(c, child->control_fd, CODEC_FILE_SOCKET);
	child->store = codec_fd(c, child->store, CODEC_FILE_MEMORY);
	child->table = codec_fd(c, child->table, CODEC_FILE_MEMORY);
	child->state =
	    (enum child_state)codec_number(c, child->state, CHILD_ENDING);
	child->told_ready = codec_flag(c, child->told_ready);
	child->told_emptied = codec_flag(c, child->told_emptied);
	code_child_times(c, child);
	child->asked = codec_flag(c, child->asked);
	child->deaf = codec_flag(c, child->deaf);
	child->killed =
	    (enum crew_cause)codec_number(c, child->killed, CREW_NO_HEARTBEAT);
	code_hand(c, &child->hand);
	if (child->pid <= 1)
		codec_fail(c, -EPROTO, "a worker has a false number");
	if (child->kept.n > 0)
		codec_fail(
		    c, -EAGAIN, "listeners that were removed are still served");
}

static void
write_child(struct codec *c, struct child *child)
{
	const struct seat *seat = &child->crew->seats[child->worker];

	(void)codec_number(c, child->worker, child->crew->nworkers - 1);
	(void)codec_flag(c, seat->child == child);
	handover_child(c, child);
}

static void
read_child(struct codec *c, struct crew *crew)
{
	struct child *child = calloc(1, sizeof(*child)), *before;
	uint64_t worker = codec_number(c, 0, crew->nworkers - 1);
	bool seated = codec_flag(c, false);

	if (child == NULL) {
		codec_fail(c, -ENOMEM, "there is no memory");
		return;
	}
	crew_init_child(child, (unsigned)worker, 0);
	before = crew->seats[worker].child;
	crew_seat(crew, child);
	if (!seated)
		crew->seats[worker].child = before;
	else if (before != NULL)
		codec_fail(c, -EPROTO, "two workers have one seat");
	handover_child(c, child);
}

static void
code_seat(struct codec *c, struct seat *seat)
{
	seat->covered = codec_flag(c, seat->covered);
	code_hand(c, &seat->left);
	seat->store = codec_fd(c, seat->store, CODEC_FILE_MEMORY);
	seat->numbers = codec_number(c, seat->numbers, UINT64_MAX);
	seat->lost = codec_number(c, seat->lost, UINT64_MAX);
	seat->spawn_at = codec_time(c, seat->spawn_at);
	seat->crowded_until = codec_time(c, seat->crowded_until);
	seat->backoff.delay = codec_time(c, seat->backoff.delay);
	seat->backoff.died = codec_flag(c, seat->backoff.died);
	if (seat->kept.n > 0)
		codec_fail(
		    c, -EAGAIN, "listeners that were removed are still served");
}

static void
code_rows(struct codec *c, struct rules_held *held)
{
	size_t i, n = codec_number(c, held->n, RULES_ROWS);

	if (c->reads) {
		held->rows = calloc(n + 1, sizeof(*held->rows));
		if (held->rows == NULL) {
			codec_fail(c, -ENOMEM, "there is no memory");
			return;
		}
		held->n = n;
	}
	for (i = 0; i < n; i++)
		held->rows[i] =
		    (uint16_t)codec_number(c, held->rows[i], RULES_ROWS - 1);
}

static void
code_drain(struct codec *c, struct control_msg *drain)
{
	drain->type = (uint32_t)codec_number(c, drain->type, CONTROL_DRAIN);
	drain->reason =
	    (uint32_t)codec_number(c, drain->reason, REASON_COUNT - 1);
	drain->deadline = codec_time(c, drain->deadline);
	drain->listeners = codec_number(c, drain->listeners, UINT64_MAX);
}

static void
code_logs(struct codec *c, struct master *m, struct crew *crew)
{
	uint64_t level = crew->log != NULL ? log_level(crew->log) : 0;

	crew->error_log = handover_log(c, m, crew->error_log);
	crew->audit_log = handover_log(c, m, crew->audit_log);
	level = codec_number(c, level, LOG_LEVEL_DEBUG);
	if (crew->error_log == NULL || crew->audit_log == NULL)
		codec_fail(c, -EPROTO, "a generation has no log");
	if (!c->reads || c->error != 0)
		return;
	if (log_new(&crew->log, logs_sink(crew->error_log),
		(enum log_level)level, "master") != 0)
		codec_fail(c, -ENOMEM, "there is no memory");
}

static void
code_crew(struct codec *c, struct master *m, struct crew *crew)
{
	struct child *child;
	uint64_t n = 0;
	size_t i;

	handover_run_as(c, &crew->run_as);
	keyring_code(c, &crew->keyring);
	code_logs(c, m, crew);
	code_rows(c, &crew->rules);
	code_drain(c, &crew->drain);
	for (i = 0; i < crew->nworkers; i++)
		code_seat(c, &crew->seats[i]);
	TAILQ_FOREACH (child, &crew->children, entry)
		n++;
	n = codec_number(c, n, CHILDREN_MAX);
	if (!c->reads) {
		TAILQ_FOREACH (child, &crew->children, entry)
			write_child(c, child);
	}
	for (; c->reads && n > 0 && c->error == 0; n--)
		read_child(c, crew);
}

static void
write_crew(struct codec *c, struct master *m, struct crew *crew)
{
	(void)codec_number(c, crew->number, UINT32_MAX);
	(void)codec_number(c, crew->nworkers, WORKERS_MAX);
	(void)codec_number(
	    c, crew->terms->size - sizeof(struct terms), NAMES_MAX);
	code_terms(c, crew->terms);
	code_crew(c, m, crew);
}

static void
read_crew(struct codec *c, struct master *m)
{
	const struct crew *last = TAILQ_LAST(&m->crews, crew_list);
	uint64_t number = codec_number(c, 0, UINT32_MAX);
	uint64_t nworkers = codec_number(c, 0, WORKERS_MAX);
	struct terms *terms = read_terms(c);
	struct crew *crew = NULL;

	if (number == 0 || number > m->last_number || nworkers == 0 ||
	    (last != NULL && number <= last->number))
		codec_fail(c, -EPROTO, "a generation has a false number");
	if (c->error == 0 &&
	    crew_new(&crew, (unsigned)number, nworkers, terms) != 0)
		codec_fail(c, -ENOMEM, "there is no memory");
	if (crew == NULL) {
		free(terms);
		return;
	}
	TAILQ_INSERT_TAIL(&m->crews, crew, entry);
	code_crew(c, m, crew);
}

/* Whoever replaces a worker of it finds all its sockets. */
static void
check_current(struct codec *c, const struct master *m)
{
	const struct crew *crew = m->current;
	const struct group *g;
	size_t i;

	for (i = 0; i < crew->terms->nlisteners; i++) {
		g = listener_find(&m->listeners, &crew->terms->listeners[i]);
		if (g == NULL || (!g->shared && g->nfds < crew->nworkers))
			codec_fail(c, -EPROTO, "a listener is missing");
	}
}

void
handover_crews(struct codec *c, struct master *m)
{
	uint64_t n = 0, current = 0, at = 0;
	struct crew *crew;

	TAILQ_FOREACH (crew, &m->crews, entry) {
		n++;
		if (crew == m->current)
			current = n;
	}
	n = codec_number(c, n, CREWS_MAX);
	current = codec_number(c, current, n);
	if (current == 0)
		codec_fail(c, -EPROTO, "there is no current generation");
	if (!c->reads) {
		TAILQ_FOREACH (crew, &m->crews, entry)
			write_crew(c, m, crew);
		return;
	}
	while (at < n && c->error == 0) {
		read_crew(c, m);
		if (++at == current)
			m->current = TAILQ_LAST(&m->crews, crew_list);
	}
	if (c->error == 0)
		check_current(c, m);
}
