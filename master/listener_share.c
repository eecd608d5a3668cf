/* Which of the listening sockets a worker gets. */
#include <errno.h>
#include <stdlib.h>

#include "common/base/clock.h"
#include "common/boot.h"
#include "master/listener.h"
#include "master/terms.h"

/* Writes the sockets of one listener to out; returns how many. */
static size_t
share(struct group *g, unsigned listener, unsigned worker, size_t nworkers,
    int64_t now, struct boot_socket *out)
{
	size_t i, n = 0;

	if (g->fds[worker] != -1)
		out[n++] = (struct boot_socket){ .fd = g->fds[worker],
			.listener = listener };
	/* Beyond `before` are sockets of a generation that is being started,
	 * which are empty yet. */
	for (i = nworkers + worker; i < g->before; i += nworkers) {
		if (g->fds[i] != -1)
			out[n++] = (struct boot_socket){ .fd = g->fds[i],
				.listener = listener,
				.surplus = true };
	}
	/* A worker that replaces another begins the time anew. */
	if (g->before > nworkers + worker && g->close_at != CLOCK_NEVER)
		g->close_at = now + GROUP_SURPLUS_TIME;
	return (n);
}

int
listener_sockets(struct listener_set *set, const struct terms *terms,
    unsigned worker, size_t nworkers, int64_t now, struct boot_socket **sockets,
    size_t *nsockets)
{
	struct group *g;
	struct boot_socket *out;
	size_t max = 0, n = 0;

	for (size_t i = 0; i < terms->nlisteners; i++)
		max += 1 + listener_find(set, &terms->listeners[i])->nfds /
			       nworkers;
	out = calloc(max, sizeof(*out));
	if (out == NULL)
		return (-ENOMEM);
	for (size_t i = 0; i < terms->nlisteners; i++) {
		g = listener_find(set, &terms->listeners[i]);
		n += share(g, (unsigned)i, worker, nworkers, now, out + n);
	}
	*sockets = out;
	*nsockets = n;
	return (0);
}

/* Moves every nworkers-th socket from number `worker` on. */
static size_t
take(struct group *g, unsigned listener, unsigned worker, size_t nworkers,
    struct boot_socket *out)
{
	size_t i, n = 0;

	for (i = worker; i < g->nfds; i += nworkers) {
		if (g->fds[i] == -1)
			continue;
		out[n++] = (struct boot_socket){ .fd = g->fds[i],
			.listener = listener };
		g->fds[i] = -1;
	}
	return (n);
}

int
listener_take(struct listener_set *set, const struct terms *terms,
    uint64_t listeners, unsigned worker, size_t nworkers,
    struct boot_socket **sockets, size_t *nsockets)
{
	struct boot_socket *out;
	size_t i, max = 0, n = 0;
	struct group *g;

	for (i = 0; i < terms->nlisteners; i++) {
		g = listener_find(set, &terms->listeners[i]);
		max += g != NULL ? g->nfds / nworkers + 1 : 0;
	}
	out = calloc(max + 1, sizeof(*out));
	if (out == NULL)
		return (-ENOMEM);
	for (i = 0; i < terms->nlisteners; i++) {
		g = listener_find(set, &terms->listeners[i]);
		if (g != NULL && (listeners & UINT64_C(1) << i) != 0)
			n += take(g, (unsigned)i, worker, nworkers, out + n);
	}
	*sockets = out;
	*nsockets = n;
	return (0);
}
