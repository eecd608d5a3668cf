/* A master that knows one of each thing which can be handed over. */
#ifndef T_UNIT_HANDOVER_WORLD_H
#define T_UNIT_HANDOVER_WORLD_H

#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/fd.h"
#include "common/log/log.h"
#include "common/log/sink.h"
#include "common/shm/shm.h"
#include "common/shm/table.h"
#include "master/legacy_state.h"
#include "master/logs_state.h"
#include "master/master.h"
#include "master/private.h"
#include "master/scribe_state.h"
#include "master/writer_state.h"

static inline void
handover_world_empty(struct master *m)
{
	static const struct writer_forget nothing = { NULL, NULL };

	memset(m, 0, sizeof(*m));
	TAILQ_INIT(&m->crews);
	TAILQ_INIT(&m->legacies);
	listener_init(&m->listeners);
	admin_init(&m->admin);
	logs_init(&m->logs, -1, &nothing);
	m->upgrade.before = -1;
	m->reports.fd = m->reports.reader = -1;
}

static inline int
handover_world_listener(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd == -1 || listen(fd, 1) != 0)
		abort();
	return (fd);
}

static inline int
handover_world_socket(int *other)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
		abort();
	if (other != NULL)
		*other = pair[1];
	else
		close(pair[1]);
	return (pair[0]);
}

static inline int
handover_world_table(void)
{
	int writer, reader;

	if (table_new(table_size(10), &writer, &reader) != 0)
		abort();
	close(writer);
	return (reader);
}

static inline struct logs_entry *
handover_world_log(struct master *m, enum logs_role role)
{
	static const char target[] = "/nowhere/audit.log";
	struct logs_entry *e = calloc(1, sizeof(*e) + sizeof(target));
	int pair[2];

	if (e == NULL || pipe2(pair, O_CLOEXEC | O_NONBLOCK) != 0)
		abort();
	memcpy(e->target, target, sizeof(target));
	e->logs = &m->logs;
	e->role = role;
	e->has_writer = true;
	e->users = 1;
	e->error = -28;
	e->writer = (struct writer){ .target = e->target,
		.lines = -1,
		.source = pair[0],
		.status = handover_world_socket(NULL),
		.pid = 4711,
		.start_at = CLOCK_NEVER,
		.run_as = { .uid = 7, .gid = 8 } };
	e->writer.state =
	    private_new(sizeof(*e->writer.state), &e->writer.memory);
	if (e->writer.state == NULL || sink_new(&e->sink, pair[1]) != 0)
		abort();
	memcpy(e->writer.state->buffer[0], "line", 4);
	TAILQ_INSERT_TAIL(&m->logs.list, e, entry);
	return (e);
}

static inline struct terms *
handover_world_terms(const struct listener_at *at)
{
	static const char names[] = "first\0second\0line";
	size_t size = sizeof(struct terms) + sizeof(names);
	struct terms *t = calloc(1, size);

	if (t == NULL)
		abort();
	*t = (struct terms){ .size = size,
		.watchdog = 10 * CLOCK_SEC,
		.drain = 30 * CLOCK_SEC,
		.tunnels = 100,
		.format = AUDIT_TEXT,
		.nrules = 2,
		.negress = 1,
		.nlisteners = 1,
		.listeners = { *at } };
	memcpy(t->names, names, sizeof(names));
	return (t);
}

static inline struct child *
handover_world_child(struct master *m, struct crew *crew, unsigned worker)
{
	struct child *c = calloc(1, sizeof(*c));

	if (c == NULL)
		abort();
	crew_init_child(c, worker, 5 * CLOCK_SEC);
	c->pid = 5000 + (int)worker;
	c->slot = shm_take(m->shm, true);
	c->control_fd = handover_world_socket(NULL);
	c->table = handover_world_table();
	c->state = CHILD_SERVING;
	c->told_ready = true;
	crew_seat(crew, c);
	return (c);
}

/* Two workers of one crew, the first of which is handed connections, and a dead
 * one whose scribe is at work. */
static inline void
handover_world_full(struct master *m)
{
	static const struct listener_at at = {
		.addr = { .family = AF_INET,
		    .port = 8443,
		    .ip = { 127, 0, 0, 1 } },
		.name = "127.0.0.1:8443",
	};
	struct crew *crew = NULL;
	struct group *g = group_new(&at);
	struct legacy *l = calloc(1, sizeof(*l));
	struct admin_child *a = calloc(1, sizeof(*a));
	struct child *c;

	handover_world_empty(m);
	if (g == NULL || l == NULL || a == NULL || shm_new(&m->shm) != 0 ||
	    report_open(&m->reports) != 0 ||
	    crew_new(&crew, 3, 2, handover_world_terms(&at)) != 0)
		abort();
	strcpy(m->upgrade.program, "/usr/sbin/sniport");
	strcpy(m->upgrade.file, "/etc/sniport/sniport.conf");
	m->last_number = 4;
	m->serving = 2;
	strcpy(m->failure, "it was");
	g->nfds = g->nplaces = g->before = g->live = g->open = 2;
	g->fds = calloc(2, sizeof(*g->fds));
	g->places = calloc(2, sizeof(*g->places));
	g->stored = calloc(2, sizeof(*g->stored));
	g->serial = 5;
	for (size_t i = 0; i < 2; i++) {
		g->fds[i] = handover_world_listener();
		g->places[i] = g->stored[i] = 1 - i;
	}
	TAILQ_INSERT_TAIL(&m->listeners.groups, g, entry);
	crew->error_log = handover_world_log(m, LOGS_ERROR);
	crew->audit_log = handover_world_log(m, LOGS_AUDIT);
	if (log_new(&crew->log, logs_sink(crew->error_log), LOG_LEVEL_NOTICE,
		"master") != 0)
		abort();
	crew->rules.rows = calloc(2, sizeof(*crew->rules.rows));
	crew->rules.n = 2;
	crew->rules.rows[1] = 9;
	crew->run_as.uid = 99;
	crew->seats[1].numbers = 77;
	c = handover_world_child(m, crew, 0);
	c->hand.in = handover_world_socket(&c->hand.out);
	c->hand.n = 1;
	c->hand.unread = -1;
	c = handover_world_child(m, crew, 1);
	c->killed = CREW_DEAF;
	TAILQ_INSERT_TAIL(&m->crews, crew, entry);
	m->current = crew;
	*l = (struct legacy){ .crew = crew,
		.worker = 1,
		.pid = 4999,
		.begun = true,
		.table = handover_world_table(),
		.guess = 12,
		.leave_until = CLOCK_NEVER };
	l->scribe.pid = 4712;
	l->scribe.start_at = CLOCK_NEVER;
	l->scribe.fatal = UINT64_MAX;
	l->scribe.state =
	    private_new(sizeof(*l->scribe.state), &l->scribe.memory);
	if (l->scribe.state == NULL)
		abort();
	l->scribe.state->lines = 12;
	TAILQ_INSERT_TAIL(&m->legacies, l, entry);
	a->pid = 4713;
	a->control_fd = handover_world_socket(NULL);
	TAILQ_INSERT_TAIL(&m->admin.children, a, entry);
	m->admin.current = a;
	m->admin.sockets.now[ADMIN_OPERATOR].fd = handover_world_listener();
	strcpy(m->admin.sockets.now[ADMIN_OPERATOR].place, "/run/control");
}

#endif
