/* Hands over the listening sockets, and the sockets of the admin process. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>

#include "master/codec.h"
#include "master/handover_part.h"
#include "master/master.h"

#define GROUPS_MAX  1024
#define SOCKETS_MAX ((uint64_t)64 * WORKERS_MAX)
#define ADMINS_MAX  64

void
handover_place(struct codec *c, struct listener_at *at)
{
	at->addr.family =
	    (uint16_t)codec_number(c, at->addr.family, UINT16_MAX);
	at->addr.port = (uint16_t)codec_number(c, at->addr.port, UINT16_MAX);
	codec_bytes(c, at->addr.ip, sizeof(at->addr.ip));
	at->dual_stack = codec_flag(c, at->dual_stack);
	at->freebind = codec_flag(c, at->freebind);
	codec_text(c, at->name, sizeof(at->name));
	if (at->addr.family == 0 || !addr_is_sound(&at->addr))
		codec_fail(c, -EPROTO, "an address is not one");
}

static void
code_sockets(struct codec *c, struct group *g)
{
	size_t i, n = codec_number(c, g->nfds, SOCKETS_MAX);

	if (c->reads) {
		g->fds = calloc(n + 1, sizeof(*g->fds));
		g->places = calloc(n + 1, sizeof(*g->places));
		g->stored = calloc(n + 1, sizeof(*g->stored));
		if (g->fds == NULL || g->places == NULL || g->stored == NULL) {
			codec_fail(c, -ENOMEM, "there is no memory");
			return;
		}
		g->nfds = n;
	}
	for (i = 0; i < n; i++) {
		g->fds[i] = codec_fd(c, g->fds[i], CODEC_FILE_LISTENER);
		g->places[i] = codec_number(c, g->places[i], SIZE_MAX);
		g->stored[i] = codec_number(c, g->stored[i], SIZE_MAX);
	}
	g->nplaces = codec_number(c, g->nplaces, n);
}

static void
code_group(struct codec *c, struct listener_set *set, struct group *g)
{
	bool stored;

	code_sockets(c, g);
	g->before = codec_number(c, g->before, g->nfds);
	g->live = codec_number(c, g->live, WORKERS_MAX);
	g->open = codec_number(c, g->open, WORKERS_MAX);
	g->close_at = codec_time(c, g->close_at);
	g->wanted = true;
	g->shared = codec_flag(c, g->shared);
	g->found = codec_flag(c, g->found);
	g->told = codec_flag(c, g->told);
	g->serial = (unsigned)codec_number(c, g->serial, UINT_MAX);
	stored = codec_flag(c, g->store != NULL);
	if (c->reads)
		g->store = stored ? set->store : NULL;
	if (!g->shared && (g->live > g->nfds || g->open > g->nfds))
		codec_fail(c, -EPROTO, "a listener has too few sockets");
}

static void
read_group(struct codec *c, struct listener_set *set)
{
	struct listener_at at = { .dual_stack = false };
	struct group *g;

	handover_place(c, &at);
	if (c->error != 0)
		return;
	g = group_new(&at);
	if (g == NULL) {
		codec_fail(c, -ENOMEM, "there is no memory");
		return;
	}
	TAILQ_INSERT_TAIL(&set->groups, g, entry);
	code_group(c, set, g);
}

/* What the service manager has yet to be told is told first. */
static void
code_store(struct codec *c, struct fdstore *s)
{
	s->max = codec_number(c, s->max, SIZE_MAX);
	if (!c->reads && s->notify != NULL && fdstore_flush(s) != 0)
		codec_fail(c, -EAGAIN, "the service manager takes no messages");
}

void
handover_listeners(struct codec *c, struct master *m)
{
	struct listener_set *set = &m->listeners;
	struct group *g;
	uint64_t n = 0;
	size_t i;

	TAILQ_FOREACH (g, &set->groups, entry)
		n++;
	n = codec_number(c, n, GROUPS_MAX);
	if (!c->reads) {
		TAILQ_FOREACH (g, &set->groups, entry) {
			handover_place(c, &g->at);
			code_group(c, set, g);
		}
	}
	for (; c->reads && n > 0 && c->error == 0; n--)
		read_group(c, set);
	set->last_serial =
	    (unsigned)codec_number(c, set->last_serial, UINT_MAX);
	set->too_many = codec_flag(c, set->too_many);
	code_store(c, &m->fdstore);
	for (i = 0; i < WORKERS_MAX / 64; i++)
		set->away.bits[i] =
		    codec_number(c, set->away.bits[i], UINT64_MAX);
}

static void
code_door(struct codec *c, struct admin_socket *a)
{
	a->fd = codec_fd(c, a->fd, CODEC_FILE_LISTENER);
	codec_text(c, a->place, sizeof(a->place));
	a->path = codec_flag(c, a->path);
	a->device = codec_number(c, a->device, UINT64_MAX);
	a->inode = codec_number(c, a->inode, UINT64_MAX);
}

static void
code_admin_child(struct codec *c, struct admin_child *child)
{
	child->pid = (pid_t)codec_number(c, (uint64_t)child->pid, INT_MAX);
	child->control_fd = codec_fd(c, child->control_fd, CODEC_FILE_SOCKET);
	child->started = codec_time(c, child->started);
	child->kill_at = codec_time(c, child->kill_at);
	child->draining = codec_flag(c, child->draining);
	child->asked = codec_flag(c, child->asked);
	child->asked_at = codec_time(c, child->asked_at);
	child->missed = codec_time(c, child->missed);
	if (child->pid <= 1)
		codec_fail(c, -EPROTO, "an admin process has a false number");
}

static void
read_admin_child(struct codec *c, struct admin *a, bool current)
{
	struct admin_child *child = calloc(1, sizeof(*child));

	if (child == NULL) {
		codec_fail(c, -ENOMEM, "there is no memory");
		return;
	}
	child->control_fd = -1;
	TAILQ_INSERT_TAIL(&a->children, child, entry);
	code_admin_child(c, child);
	if (current)
		a->current = child;
}

void
handover_admin(struct codec *c, struct master *m)
{
	struct admin *a = &m->admin;
	struct admin_child *child;
	uint64_t n = 0, current = 0;
	size_t i;

	for (i = 0; i < ADMIN_DOORS; i++)
		code_door(c, &a->sockets.now[i]);
	a->backoff.delay = codec_time(c, a->backoff.delay);
	a->backoff.died = codec_flag(c, a->backoff.died);
	a->start_at = codec_time(c, a->start_at);
	TAILQ_FOREACH (child, &a->children, entry) {
		n++;
		if (child == a->current)
			current = n;
	}
	n = codec_number(c, n, ADMINS_MAX);
	current = codec_number(c, current, n);
	if (!c->reads) {
		TAILQ_FOREACH (child, &a->children, entry)
			code_admin_child(c, child);
	}
	for (i = 0; c->reads && i < n && c->error == 0; i++)
		read_admin_child(c, a, i + 1 == current);
}
