/*
 * Compares the listeners of two configurations by address: binds what is new,
 * keeps what stays, closes what is gone.
 */
#include "master/listener.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "common/conf/conf.h"
#include "common/log/log.h"
#include "master/findings.h"
#include "master/socket.h"
#include "master/terms.h"

void
listener_init(struct listener_set *set)
{
	TAILQ_INIT(&set->groups);
	set->changing = false;
	set->store = NULL;
	set->last_serial = 0;
	set->too_many = false;
}

void
listener_place(struct listener_at *at, const struct conf_listener *l)
{
	*at = (struct listener_at){ .addr = l->addr,
		.dual_stack = l->dual_stack,
		.freebind = l->freebind };
	snprintf(at->name, sizeof(at->name), "%s", l->address);
}

bool
listener_same(const struct listener_at *a, const struct listener_at *b)
{
	return (
	    a->dual_stack == b->dual_stack && addr_equal(&a->addr, &b->addr));
}

struct group *
listener_find(const struct listener_set *set, const struct listener_at *at)
{
	struct group *g;

	TAILQ_FOREACH (g, &set->groups, entry) {
		if (listener_same(&g->at, at))
			return (g);
	}
	return (NULL);
}

static void
remove_group(struct listener_set *set, struct group *g)
{
	TAILQ_REMOVE(&set->groups, g, entry);
	group_free(g);
}

void
listener_fini(struct listener_set *set)
{
	struct group *g;

	while ((g = TAILQ_FIRST(&set->groups)) != NULL)
		remove_group(set, g);
	set->changing = false;
}

static struct group *
add_group(struct listener_set *set, const struct listener_at *at)
{
	struct group *g = group_new(at);

	if (g == NULL)
		return (NULL);
	g->store = set->store;
	g->serial = ++set->last_serial;
	TAILQ_INSERT_TAIL(&set->groups, g, entry);
	return (g);
}

/* Sets the program that the group needs. One that cannot be replaced goes on
 * steering to fewer sockets, all of which are served. */
static int
steer(const struct listener_set *set, struct group *g, size_t open)
{
	g->open = open;
	return (group_steer(g, &set->away, set->changing));
}

static bool
is_any(const struct group *g)
{
	static const uint8_t any[sizeof(g->at.addr.ip)];

	return (memcmp(g->at.addr.ip, any, sizeof(any)) == 0);
}

/* Would one of the two be "in use" because of the other? */
static bool
overlap(const struct group *a, const struct group *b)
{
	if (a->at.addr.port != b->at.addr.port)
		return (false);
	if (a->at.dual_stack || b->at.dual_stack)
		return (true);
	if (a->at.addr.family != b->at.addr.family)
		return (false);
	return (is_any(a) || is_any(b) || addr_equal(&a->at.addr, &b->at.addr));
}

/* Where we listen ourselves, on an address that contains this one or is
 * contained in it, the probe could only find us. */
static int
probe(const struct listener_set *set, const struct group *g)
{
	const struct group *other;

	TAILQ_FOREACH (other, &set->groups, entry) {
		if (other != g && other->nfds > 0 && overlap(other, g))
			return (0);
	}
	return (socket_probe(&g->at.addr, g->at.dual_stack, g->at.freebind));
}

static int
prepare_group(struct listener_set *set, struct group *g, size_t nworkers,
    int64_t silence, const char **step)
{
	size_t stay = g->live < nworkers ? g->live : nworkers;
	int error = 0;

	g->wanted = true;
	if (g->live == 0 && g->nfds == 0) {
		*step = "bind";
		error = probe(set, g);
	} else if (stay > 0 && (stay < g->nfds || stay < nworkers)) {
		*step = "SO_ATTACH_REUSEPORT_CBPF";
		error = steer(set, g, stay);
	}
	if (error == 0 && g->nfds < nworkers)
		error = group_grow(g, nworkers, silence, step);
	return (error);
}

int
listener_prepare(struct listener_set *set, const struct conf *conf,
    size_t nworkers, struct findings *f)
{
	char advice[SOCKET_ADVICE_SIZE];
	struct listener_at at;
	struct group *g;
	const char *step;
	int error, first = 0;

	set->changing = true;
	TAILQ_FOREACH (g, &set->groups, entry) {
		g->wanted = false;
		g->before = g->nfds;
		g->was_free = g->at.freebind;
	}
	for (size_t i = 0; i < conf->nlisteners; i++) {
		step = "allocate";
		listener_place(&at, &conf->listeners[i]);
		g = listener_find(set, &at);
		if (g == NULL)
			g = add_group(set, &at);
		else
			g->at = at;
		error = g == NULL ? -ENOMEM
				  : prepare_group(set, g, nworkers,
					conf->timeouts.lost, &step);
		if (error == 0)
			continue;
		findings_add_at(f, LOG_LEVEL_ERROR, conf,
		    &conf->listeners[i].address, "%s: %s: %s%s",
		    conf->listeners[i].address, step, strerror(-error),
		    socket_advice(&at.addr, at.dual_stack, error, advice));
		first = first != 0 ? first : error;
	}
	if (first != 0)
		listener_rollback(set);
	return (first);
}

void
listener_rollback(struct listener_set *set)
{
	struct group *g, *next;

	if (!set->changing)
		return;
	set->changing = false;
	for (g = TAILQ_FIRST(&set->groups); g != NULL; g = next) {
		next = TAILQ_NEXT(g, entry);
		if (g->live == 0) {
			remove_group(set, g);
			continue;
		}
		g->at.freebind = g->was_free;
		group_shut(g, g->before);
		(void)steer(set, g, g->live);
	}
}

void
listener_commit(struct listener_set *set, size_t nworkers, int64_t now)
{
	struct group *g;

	set->changing = false;
	set->away = (struct worker_set){ 0 };
	TAILQ_FOREACH (g, &set->groups, entry) {
		if (!g->wanted)
			continue;
		g->found = g->told = false;
		g->live = nworkers;
		g->before = g->nfds;
		g->close_at = CLOCK_NEVER;
		if (g->nfds > g->live)
			g->close_at = now + GROUP_SURPLUS_TIME;
		(void)steer(set, g, g->live);
	}
}

int
listener_away(struct listener_set *set, const struct worker_set *away)
{
	struct group *g;
	int r, error = 0;

	set->away = *away;
	TAILQ_FOREACH (g, &set->groups, entry) {
		if (g->live == 0)
			continue;
		r = steer(set, g, g->open);
		error = r != 0 ? r : error;
	}
	return (error);
}

void
listener_heal(struct listener_set *set, int64_t silence, struct log *log,
    struct worker_set *renewed)
{
	struct group *g;
	int n;

	TAILQ_FOREACH (g, &set->groups, entry) {
		n = group_heal(g, silence, renewed);
		if (n > 0)
			log_write(log, LOG_LEVEL_ERROR,
			    "listener %s: %d socket%s no longer listened: "
			    "opened anew; what waited there is lost",
			    g->at.name, n, n == 1 ? "" : "s");
		if (n < 0)
			log_write(log, LOG_LEVEL_ERROR,
			    "listener %s: what no longer listens cannot be "
			    "opened anew: %s",
			    g->at.name, strerror(-n));
		if (g->live > 0)
			(void)steer(set, g, g->open);
	}
}

/* Closing our copy of it would not close it: whoever made it has another. */
static void
leave_open(struct group *g, struct log *log)
{
	if (!g->told)
		log_write(log, LOG_LEVEL_WARNING,
		    "listener %s: the service manager listens there, and it is "
		    "not configured: whoever connects waits in vain",
		    g->at.name);
	g->told = true;
}

void
listener_close_removed(struct listener_set *set, struct log *log)
{
	struct group *g, *next;

	for (g = TAILQ_FIRST(&set->groups); g != NULL; g = next) {
		next = TAILQ_NEXT(g, entry);
		if (g->wanted)
			continue;
		if (g->shared) {
			leave_open(g, log);
			continue;
		}
		if (g->found)
			log_write(log, LOG_LEVEL_NOTICE,
			    "listener %s: was kept by the service manager, and "
			    "is not configured any more: closed",
			    g->at.name);
		group_unstore(g);
		remove_group(set, g);
	}
}

void
listener_keepalive(struct listener_set *set, int64_t silence)
{
	struct group *g;
	size_t i;

	TAILQ_FOREACH (g, &set->groups, entry)
		for (i = 0; i < g->nfds; i++)
			(void)fd_keepalive(g->fds[i], silence);
}

int64_t
listener_tick(struct listener_set *set, int64_t now)
{
	struct group *g;
	int64_t next = CLOCK_NEVER;

	/* What a change reuses must not be closed beneath it. */
	if (set->changing)
		return (CLOCK_NEVER);
	TAILQ_FOREACH (g, &set->groups, entry) {
		if (g->close_at <= now) {
			group_shut(g, g->live);
			(void)steer(set, g, g->live);
			g->close_at = CLOCK_NEVER;
		}
		if (g->close_at < next)
			next = g->close_at;
	}
	return (next);
}

uint64_t
listener_gone(const struct terms *old, const struct terms *new)
{
	uint64_t gone = 0;
	size_t i, j;

	for (i = 0; i < old->nlisteners; i++) {
		for (j = 0; j < new->nlisteners; j++)
			if (listener_same(
				&old->listeners[i], &new->listeners[j]))
				break;
		if (j == new->nlisteners)
			gone |= UINT64_C(1) << i;
	}
	return (gone);
}
