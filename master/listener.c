#include "master/listener.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/fd.h"
#include "master/findings.h"
#include "master/socket.h"

/* After a worker has closed its copies of surplus sockets, we close ours. */
#define SURPLUS_MARGIN CLOCK_SEC

void
listener_init(struct listener_set *set)
{
	TAILQ_INIT(&set->groups);
	set->changing = false;
}

static bool
is_listener(const struct conf_listener *a, const struct conf_listener *b)
{
	return (
	    a->dual_stack == b->dual_stack && addr_equal(&a->addr, &b->addr));
}

static struct listener_group *
find(const struct listener_set *set, const struct conf_listener *l)
{
	struct listener_group *g;

	TAILQ_FOREACH (g, &set->groups, entry) {
		if (g->dual_stack == l->dual_stack &&
		    addr_equal(&g->addr, &l->addr))
			return (g);
	}
	return (NULL);
}

/* Closes sockets from the end on, which keeps the order of the others. */
static void
shorten(struct listener_group *g, size_t n)
{
	while (g->nfds > n)
		fd_close(&g->fds[--g->nfds]);
	if (g->before > n)
		g->before = n;
}

/*
 * The same for sockets to which nothing is steered: no copy that some worker
 * still holds may stay in the group, where it would take connections, and the
 * places of its successors, once the program is gone.
 */
static void
shut(struct listener_group *g, size_t n)
{
	for (size_t i = g->nfds; i > n; i--)
		(void)shutdown(g->fds[i - 1], SHUT_RDWR);
	shorten(g, n);
}

static void
group_free(struct listener_set *set, struct listener_group *g)
{
	TAILQ_REMOVE(&set->groups, g, entry);
	shorten(g, 0);
	free(g->fds);
	free(g);
}

void
listener_fini(struct listener_set *set)
{
	struct listener_group *g;

	while ((g = TAILQ_FIRST(&set->groups)) != NULL)
		group_free(set, g);
	set->changing = false;
}

static struct listener_group *
group_new(struct listener_set *set, const struct conf_listener *l)
{
	struct listener_group *g = calloc(1, sizeof(*g));

	if (g == NULL)
		return (NULL);
	g->addr = l->addr;
	g->dual_stack = l->dual_stack;
	g->close_at = CLOCK_NEVER;
	snprintf(g->name, sizeof(g->name), "%s", l->address);
	TAILQ_INSERT_TAIL(&set->groups, g, entry);
	return (g);
}

static int
steer(struct listener_group *g, size_t n)
{
	int error;

	if (g->steered == n)
		return (0);
	error = socket_steer(g->fds[0], n);
	if (error == 0)
		g->steered = n;
	return (error);
}

/* Puts the program in force that the live sockets need. One that cannot be
 * replaced goes on steering to fewer sockets, all of which are served. */
static void
steer_live(struct listener_group *g)
{
	(void)steer(g, g->live < g->nfds ? g->live : 0);
}

static int
grow(struct listener_group *g, size_t n, int64_t silence, const char **step)
{
	int *fds;
	int fd;

	*step = "allocate";
	fds = reallocarray(g->fds, n, sizeof(*fds));
	if (fds == NULL)
		return (-ENOMEM);
	g->fds = fds;
	while (g->nfds < n) {
		fd = socket_listen(&g->addr, g->dual_stack, step);
		if (fd < 0)
			return (fd);
		g->fds[g->nfds++] = fd;
		/* Without it a dead peer is found later. */
		(void)fd_keepalive(fd, silence);
	}
	return (0);
}

static bool
is_any(const struct listener_group *g)
{
	static const uint8_t any[sizeof(g->addr.ip)];

	return (memcmp(g->addr.ip, any, sizeof(any)) == 0);
}

/* Would one of the two be "in use" because of the other? */
static bool
overlap(const struct listener_group *a, const struct listener_group *b)
{
	if (a->addr.port != b->addr.port)
		return (false);
	if (a->dual_stack || b->dual_stack)
		return (true);
	if (a->addr.family != b->addr.family)
		return (false);
	return (is_any(a) || is_any(b) || addr_equal(&a->addr, &b->addr));
}

/* Where we listen ourselves, on an address that contains this one or is
 * contained in it, the probe could only find us. */
static int
probe(const struct listener_set *set, const struct listener_group *g)
{
	const struct listener_group *other;

	TAILQ_FOREACH (other, &set->groups, entry) {
		if (other != g && other->nfds > 0 && overlap(other, g))
			return (0);
	}
	return (socket_probe(&g->addr, g->dual_stack));
}

static int
prepare_group(struct listener_set *set, struct listener_group *g,
    size_t nworkers, int64_t silence, const char **step)
{
	size_t stay = g->live < nworkers ? g->live : nworkers;
	int error = 0;

	g->wanted = true;
	if (g->live == 0 && g->nfds == 0) {
		*step = "bind";
		error = probe(set, g);
	} else if (stay > 0 && (stay < g->nfds || stay < nworkers)) {
		*step = "SO_ATTACH_REUSEPORT_CBPF";
		error = steer(g, stay);
	}
	if (error == 0 && g->nfds < nworkers)
		error = grow(g, nworkers, silence, step);
	return (error);
}

int
listener_prepare(struct listener_set *set, const struct conf *conf,
    size_t nworkers, struct findings *f)
{
	struct listener_group *g;
	const char *step;
	int error, first = 0;

	set->changing = true;
	TAILQ_FOREACH (g, &set->groups, entry) {
		g->wanted = false;
		g->before = g->nfds;
	}
	for (size_t i = 0; i < conf->nlisteners; i++) {
		step = "allocate";
		g = find(set, &conf->listeners[i]);
		if (g == NULL)
			g = group_new(set, &conf->listeners[i]);
		error = g == NULL ? -ENOMEM
				  : prepare_group(set, g, nworkers,
					conf->timeouts.lost, &step);
		if (error == 0)
			continue;
		findings_add_at(f, LOG_LEVEL_ERROR, conf,
		    &conf->listeners[i].address, "%s: %s: %s%s",
		    conf->listeners[i].address, step, strerror(-error),
		    socket_advice(&conf->listeners[i].addr, step, error));
		first = first != 0 ? first : error;
	}
	if (first != 0)
		listener_rollback(set);
	return (first);
}

void
listener_rollback(struct listener_set *set)
{
	struct listener_group *g, *next;

	if (!set->changing)
		return;
	set->changing = false;
	for (g = TAILQ_FIRST(&set->groups); g != NULL; g = next) {
		next = TAILQ_NEXT(g, entry);
		if (g->live == 0) {
			group_free(set, g);
			continue;
		}
		shut(g, g->before);
		steer_live(g);
	}
}

void
listener_commit(struct listener_set *set, size_t nworkers, int64_t now)
{
	struct listener_group *g;

	set->changing = false;
	TAILQ_FOREACH (g, &set->groups, entry) {
		if (!g->wanted)
			continue;
		g->live = nworkers;
		g->before = g->nfds;
		g->close_at = CLOCK_NEVER;
		if (g->nfds > g->live)
			g->close_at = now + BOOT_SURPLUS_TIME + SURPLUS_MARGIN;
		steer_live(g);
	}
}

void
listener_close_removed(struct listener_set *set)
{
	struct listener_group *g, *next;

	for (g = TAILQ_FIRST(&set->groups); g != NULL; g = next) {
		next = TAILQ_NEXT(g, entry);
		if (!g->wanted)
			group_free(set, g);
	}
}

void
listener_keepalive(struct listener_set *set, int64_t silence)
{
	struct listener_group *g;
	size_t i;

	TAILQ_FOREACH (g, &set->groups, entry)
		for (i = 0; i < g->nfds; i++)
			(void)fd_keepalive(g->fds[i], silence);
}

int64_t
listener_tick(struct listener_set *set, int64_t now)
{
	struct listener_group *g;
	int64_t next = CLOCK_NEVER;

	/* What a change reuses must not be closed beneath it. */
	if (set->changing)
		return (CLOCK_NEVER);
	TAILQ_FOREACH (g, &set->groups, entry) {
		if (g->close_at <= now) {
			shut(g, g->live);
			steer_live(g);
			g->close_at = CLOCK_NEVER;
		}
		if (g->close_at < next)
			next = g->close_at;
	}
	return (next);
}

/* Writes the sockets of one listener to out; returns how many. */
static size_t
share(struct listener_group *g, unsigned listener, unsigned worker,
    size_t nworkers, int64_t now, struct boot_socket *out)
{
	size_t n = 0;

	out[n++] =
	    (struct boot_socket){ .fd = g->fds[worker], .listener = listener };
	/* Beyond `before` are sockets of a generation that is being started,
	 * which are empty yet. */
	for (size_t i = nworkers + worker; i < g->before; i += nworkers)
		out[n++] = (struct boot_socket){
			.fd = g->fds[i], .listener = listener, .surplus = true
		};
	/* A worker that replaces another begins the time anew. */
	if (n > 1 && g->close_at != CLOCK_NEVER)
		g->close_at = now + BOOT_SURPLUS_TIME + SURPLUS_MARGIN;
	return (n);
}

int
listener_sockets(struct listener_set *set, const struct conf *conf,
    unsigned worker, size_t nworkers, int64_t now, struct boot_socket **sockets,
    size_t *nsockets)
{
	struct listener_group *g;
	struct boot_socket *out;
	size_t max = 0, n = 0;

	for (size_t i = 0; i < conf->nlisteners; i++)
		max += 1 + find(set, &conf->listeners[i])->nfds / nworkers;
	out = calloc(max, sizeof(*out));
	if (out == NULL)
		return (-ENOMEM);
	for (size_t i = 0; i < conf->nlisteners; i++) {
		g = find(set, &conf->listeners[i]);
		n += share(g, (unsigned)i, worker, nworkers, now, out + n);
	}
	*sockets = out;
	*nsockets = n;
	return (0);
}

uint64_t
listener_gone(const struct conf *old, const struct conf *new)
{
	uint64_t gone = 0;

	for (size_t i = 0; i < old->nlisteners; i++) {
		bool kept = false;

		for (size_t j = 0; j < new->nlisteners && !kept; j++)
			kept =
			    is_listener(&old->listeners[i], &new->listeners[j]);
		if (!kept)
			gone |= UINT64_C(1) << i;
	}
	return (gone);
}
