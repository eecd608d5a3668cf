/*
 * Opens and closes the sockets of one address, and keeps track of where each
 * stands in the kernel's list.
 */
#include "master/group.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "common/base/clock.h"
#include "common/base/fd.h"
#include "master/fdstore.h"
#include "master/socket.h"

#define NOWHERE GROUP_NOWHERE

struct group *
group_new(const struct listener_at *at)
{
	struct group *g = calloc(1, sizeof(*g));

	if (g == NULL)
		return (NULL);
	g->at = *at;
	g->close_at = CLOCK_NEVER;
	return (g);
}

void
group_free(struct group *g)
{
	while (g->nfds > 0)
		fd_close(&g->fds[--g->nfds]);
	free(g->fds);
	free(g->places);
	free(g->stored);
	free(g);
}

static int
make_room(struct group *g, size_t n)
{
	size_t *places, *stored;
	int *fds;

	fds = reallocarray(g->fds, n, sizeof(*fds));
	if (fds == NULL)
		return (-ENOMEM);
	g->fds = fds;
	places = reallocarray(g->places, n, sizeof(*places));
	if (places == NULL)
		return (-ENOMEM);
	g->places = places;
	stored = reallocarray(g->stored, n, sizeof(*stored));
	if (stored == NULL)
		return (-ENOMEM);
	g->stored = stored;
	return (0);
}

int
group_adopt(struct group *g, const int *fds, size_t n, bool shared)
{
	size_t i;
	int error = make_room(g, n);

	if (error != 0)
		return (error);
	memcpy(g->fds, fds, n * sizeof(*fds));
	for (i = 0; i < n; i++)
		g->places[i] = g->stored[i] = shared ? NOWHERE : i;
	g->nfds = g->before = g->live = g->open = n;
	g->nplaces = shared ? 0 : n;
	g->shared = shared;
	g->found = true;
	return (0);
}

static struct fdstore_name
name_at(const struct group *g, size_t place)
{
	return ((struct fdstore_name){ .serial = g->serial,
	    .place = place,
	    .dual_stack = g->at.dual_stack });
}

/* To be called before the socket is closed. */
static void
unstore(struct group *g, size_t i)
{
	struct fdstore_name name = name_at(g, g->stored[i]);

	if (g->store == NULL || g->stored[i] == NOWHERE)
		return;
	fdstore_drop(g->store, &name);
	g->stored[i] = NOWHERE;
}

void
group_unstore(struct group *g)
{
	size_t i;

	for (i = 0; i < g->nfds; i++)
		unstore(g, i);
}

/* One that changed its place gets another name; all old ones are gone before
 * a new one comes, since it may be the same. */
int
group_store(struct group *g)
{
	struct fdstore_name name;
	size_t i;
	int error = 0;

	for (i = 0; i < g->nfds; i++) {
		if (g->stored[i] != g->places[i])
			unstore(g, i);
	}
	for (i = 0; error != -EAGAIN && i < g->before; i++) {
		if (g->fds[i] == -1 || g->stored[i] == g->places[i])
			continue;
		name = name_at(g, g->places[i]);
		error = fdstore_put(g->store, &name, g->fds[i]);
		if (error == 0)
			g->stored[i] = g->places[i];
	}
	return (error == -EAGAIN ? error : 0);
}

static void
join(struct group *g, size_t i, int fd)
{
	g->fds[i] = fd;
	g->places[i] = g->nplaces++;
	g->stored[i] = NOWHERE;
}

static void
leave(struct group *g, size_t i)
{
	size_t k, hole = g->places[i];

	if (hole == NOWHERE)
		return;
	g->nplaces--;
	for (k = 0; k < g->nfds; k++) {
		if (g->places[k] == g->nplaces)
			g->places[k] = hole;
	}
	g->places[i] = NOWHERE;
}

static int
open_one(struct group *g, size_t i, int64_t silence, const char **step)
{
	int fd =
	    socket_listen(&g->at.addr, g->at.dual_stack, g->at.freebind, step);

	if (fd < 0)
		return (fd);
	/* Without it a dead peer is found later. */
	(void)fd_keepalive(fd, silence);
	join(g, i, fd);
	return (0);
}

int
group_grow(struct group *g, size_t n, int64_t silence, const char **step)
{
	int error;

	/* Nobody else can join it. */
	if (g->shared)
		return (0);
	*step = "allocate";
	error = make_room(g, n);
	if (error != 0)
		return (error);
	for (; g->nfds < n; g->nfds++) {
		error = open_one(g, g->nfds, silence, step);
		if (error != 0)
			return (error);
	}
	return (0);
}

/* No copy that some worker still holds may stay in the kernel's list, where it
 * would take connections. */
void
group_shut(struct group *g, size_t n)
{
	while (g->nfds > n) {
		unstore(g, g->nfds - 1);
		if (g->fds[g->nfds - 1] != -1)
			(void)shutdown(g->fds[g->nfds - 1], SHUT_RDWR);
		leave(g, g->nfds - 1);
		fd_close(&g->fds[--g->nfds]);
	}
	if (g->before > n)
		g->before = n;
}

/* Writes the places of those that are open; returns how many. */
static size_t
list_places(
    const struct group *g, const struct worker_set *away, size_t *places)
{
	size_t i, n = 0;

	for (i = 0; i < g->open && i < g->nfds; i++) {
		if (g->places[i] != NOWHERE &&
		    (away == NULL || !worker_set_has(away, i)))
			places[n++] = g->places[i];
	}
	return (n);
}

int
group_steer(struct group *g, const struct worker_set *away, bool grows)
{
	size_t i, n, *places;
	int error = 0;

	for (i = 0; i < g->nfds && g->places[i] == NOWHERE; i++)
		;
	if (i == g->nfds)
		return (0);
	places = calloc(g->nfds, sizeof(*places));
	if (places == NULL)
		return (-ENOMEM);
	n = list_places(g, away, places);
	if (n == 0)
		n = list_places(g, NULL, places);
	if (n == g->nplaces && !grows)
		n = 0;
	error = socket_steer(g->fds[i], places, n);
	free(places);
	return (error);
}

static size_t
count_deaf(const struct group *g)
{
	size_t i, n = 0;

	for (i = 0; i < g->nfds; i++)
		n += g->places[i] != NOWHERE && !socket_listens(g->fds[i]);
	return (n);
}

/* It is bound still, so it can listen again. All workers have stopped looking
 * at it. */
static int
heal_shared(struct group *g, int64_t silence, struct worker_set *renewed)
{
	bool deaf = !socket_listens(g->fds[0]);
	size_t i;
	int error = deaf ? socket_again(g->fds[0]) : 0;

	(void)fd_tunnel_options(g->fds[0], NULL);
	(void)fd_keepalive(g->fds[0], silence);
	if (!deaf || error != 0)
		return (error);
	for (i = 0; i < g->live; i++)
		worker_set_add(renewed, i);
	return (1);
}

int
group_heal(struct group *g, int64_t silence, struct worker_set *renewed)
{
	size_t i, deaf = count_deaf(g);
	const char *step;
	int r, error = 0, n = 0;

	if (g->shared)
		return (heal_shared(g, silence, renewed));
	for (i = 0; i < g->nfds; i++) {
		if (deaf > 1 || !socket_listens(g->fds[i])) {
			unstore(g, i);
			/* Nor may a copy stay in the kernel's list. */
			(void)shutdown(g->fds[i], SHUT_RDWR);
			leave(g, i);
			fd_close(&g->fds[i]);
		} else {
			(void)fd_tunnel_options(g->fds[i], NULL);
			(void)fd_keepalive(g->fds[i], silence);
		}
	}
	for (i = 0; i < g->nfds; i++) {
		if (g->places[i] != NOWHERE)
			continue;
		r = open_one(g, i, silence, &step);
		if (r != 0) {
			error = r;
			continue;
		}
		worker_set_add(renewed, i);
		n++;
	}
	return (error != 0 ? error : n);
}
