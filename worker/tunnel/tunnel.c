/* What all tunnels of a worker share. */
#include "worker/tunnel/tunnel.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "common/base/clock.h"
#include "common/shm/stats.h"
#include "worker/tls/stream.h"
#include "worker/tunnel/state.h"

int
tunnels_init(struct tunnels *all, const struct boot *boot, struct loop *loop,
    struct resolver *resolver)
{
	const struct conf *conf = boot->conf;
	const struct tls_bounds bounds = {
		.hello = (uint64_t)conf->limits.client_hello,
		.rest = (uint64_t)conf->limits.handshake,
	};

	all->boot = boot;
	all->loop = loop;
	all->number = boot->numbers;
	all->slot = stats_mine(boot->shm);
	conf_names(conf, &all->names);
	TAILQ_INIT(&all->list);
	buffers_init(&all->buffers, (size_t)conf->limits.buffer,
	    tls_slack((size_t)conf->limits.buffer));
	limits_init(&all->limits, &conf->limits, boot->shm);
	all->dial = (struct dial_context){
		.loop = loop,
		.resolver = resolver,
		.guard = boot->guard,
		.lines = { boot->shm, boot->generation, conf->egress },
		.family = conf->dns.family,
		.timeout = conf->timeouts.connect,
		.random = (uint64_t)clock_now() ^ (uint64_t)boot->worker << 32,
	};
	races_init(
	    &all->dial.races, limits_races(&all->limits, boot->nsockets));
	guard_probe_init(&all->dial.probe);
	tunnel_turns_init(all);
	if (tls_context_new(&all->tls, boot->tls, &bounds, &all->buffers,
		tunnel_hello_cb) != 0)
		return (-ENOMEM);
	tls_context_trust(all->tls, conf->tls.authentication_lifetime);
	tls_context_tickets(
	    all->tls, boot->tickets, (unsigned)conf->tls.tickets);
	return (0);
}

void
tunnels_fini(struct tunnels *all)
{
	assert(all->count == 0);
	tls_context_free(all->tls);
	guard_probe_fini(&all->dial.probe);
	buffers_fini(&all->buffers);
}

void
tunnels_end(struct tunnels *all, enum reason reason)
{
	struct tunnel *t, *next;

	for (t = TAILQ_FIRST(&all->list); t != NULL; t = next) {
		next = TAILQ_NEXT(t, entry);
		/* A tunnel that broke already keeps its cause. */
		if (tunnel_lingers(t))
			t->state->expire(t);
		else
			tunnel_close(t, reason);
	}
}

static int
compare(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return ((*x > *y) - (*x < *y));
}

/* In the list, too, the numbers rise. */
void
tunnels_close(
    struct tunnels *all, uint64_t *numbers, size_t n, enum reason reason)
{
	struct tunnel *t, *next;
	size_t i = 0;

	qsort(numbers, n, sizeof(*numbers), compare);
	for (t = TAILQ_FIRST(&all->list); t != NULL && i < n; t = next) {
		next = TAILQ_NEXT(t, entry);
		while (i < n && numbers[i] < t->facts->number)
			i++;
		if (i < n && numbers[i] == t->facts->number &&
		    !tunnel_lingers(t))
			tunnel_close(t, reason);
	}
}

bool
tunnels_room(void *arg, size_t sockets)
{
	const struct tunnels *all = arg;

	return (limits_descriptors(&all->limits, all->count, sockets));
}

void *
tunnels_await(void *arg, unsigned listener, socklen_t *len)
{
	struct tunnels *all = arg;

	return (tunnel_await(all, &all->boot->conf->listeners[listener], len));
}

void *
tunnels_await_handed(void *arg, size_t addr)
{
	return (tunnel_await_handed(arg, addr));
}

void
tunnels_await_no_more(void *arg)
{
	tunnel_await_no_more(arg);
}

void
tunnels_take(void *arg, int fd, const struct addr *client, unsigned listener)
{
	struct tunnels *all = arg;
	const struct conf_listener *l = &all->boot->conf->listeners[listener];
	enum reason reason = limits_admit(&all->limits);

	if (reason != REASON_NONE)
		tunnel_refuse(all, fd, client, l, reason);
	else
		tunnel_open(all, fd, client, l);
}

void
tunnels_refuse(void *arg, int fd, const struct addr *client, unsigned listener)
{
	struct tunnels *all = arg;

	tunnel_refuse(all, fd, client, &all->boot->conf->listeners[listener],
	    REASON_LIMIT_TUNNELS);
}

void
tunnels_paused(void *arg)
{
	const struct tunnels *all = arg;

	stats_add(&all->slot->count[STAT_ACCEPT_PAUSES], 1);
}
