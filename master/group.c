/*
 * Opens and closes the sockets of one address, and keeps track of where each
 * stands in the kernel's list.
 */
#include "master/group.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "common/base/clock.h"
#include "common/base/fd.h"
#include "master/socket.h"

/* Of a socket that does not listen. */
#define NOWHERE SIZE_MAX

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
	free(g);
}

static void
join(struct group *g, size_t i, int fd)
{
	g->fds[i] = fd;
	g->places[i] = g->nplaces++;
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
	size_t *places;
	int *fds, error;

	*step = "allocate";
	fds = reallocarray(g->fds, n, sizeof(*fds));
	if (fds == NULL)
		return (-ENOMEM);
	g->fds = fds;
	places = reallocarray(g->places, n, sizeof(*places));
	if (places == NULL)
		return (-ENOMEM);
	g->places = places;
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

int
group_heal(struct group *g, int64_t silence, struct worker_set *renewed)
{
	size_t i, deaf = count_deaf(g);
	const char *step;
	int r, error = 0, n = 0;

	for (i = 0; i < g->nfds; i++) {
		if (deaf > 1 || !socket_listens(g->fds[i])) {
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
