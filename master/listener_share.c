/* Which of the listening sockets a worker gets. */
#include <errno.h>
#include <stdlib.h>

#include "common/base/clock.h"
#include "common/boot.h"
#include "master/listener.h"
#include "master/terms.h"

/* Writes the sockets of one listener to out; returns how many. */
static size_t
share(struct group *g, bool kept, unsigned worker, size_t nworkers, int64_t now,
    struct boot_socket *out)
{
	size_t i, n = 0, own = g->shared ? 0 : worker;

	if (g->fds[own] != -1)
		out[n++] = (struct boot_socket){ .fd = g->fds[own],
			.shared = g->shared,
			.kept = kept || g->shared };
	/* Beyond `before` are sockets of a generation that is being started,
	 * which are empty yet. */
	for (i = nworkers + worker; i < g->before; i += nworkers) {
		if (g->fds[i] != -1)
			out[n++] = (struct boot_socket){
				.fd = g->fds[i], .surplus = true, .kept = kept
			};
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
	bool kept = listener_is_kept(set);
	struct boot_socket *out;
	size_t k, max = 0, n = 0;

	for (size_t i = 0; i < terms->nlisteners; i++)
		max += 1 + listener_find(set, &terms->listeners[i])->nfds /
			       nworkers;
	out = calloc(max, sizeof(*out));
	if (out == NULL)
		return (-ENOMEM);
	for (size_t i = 0; i < terms->nlisteners; i++) {
		g = listener_find(set, &terms->listeners[i]);
		k = share(g, kept, worker, nworkers, now, out + n);
		for (; k > 0; k--)
			out[n++].listener = (unsigned)i;
	}
	*sockets = out;
	*nsockets = n;
	return (0);
}

/* Moves every nworkers-th socket from number `worker` on. Of a shared one each
 * worker has its copy, and what they leave waits for who comes next. */
static size_t
take(struct group *g, unsigned listener, unsigned worker, size_t nworkers,
    struct boot_socket *out)
{
	size_t i, n = 0;

	for (i = worker; i < g->nfds && !g->shared; i += nworkers) {
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
