/* How a tunnel begins, or is refused at the door. */
#include <errno.h>
#include <stdlib.h>

#include "common/base/fd.h"
#include "common/shm/stats.h"
#include "common/shm/table.h"
#include "worker/tunnel/half_tls.h"
#include "worker/tunnel/state.h"

static void
client_cb(struct loop_fd *lfd, uint32_t events)
{
	struct half *h = container_of(lfd, struct half, lfd);
	struct tunnel *t = container_of(h, struct tunnel, client);

	half_event(h, events);
	/* A handshake is long work, and waits its turn behind those who have
	 * little to do. */
	if (t->state->slow)
		loop_defer(t->all->loop, &t->task);
	else if (!tunnel_waits(t))
		tunnel_run(t);
}

static void
task_cb(struct loop_task *task)
{
	struct tunnel *t = container_of(task, struct tunnel, task);

	tunnel_run(t);
}

/* Who came, where and when: all that is known of it. It is in no list. */
static void
tunnel_init(struct tunnel *t, struct tunnels *all, const struct addr *client,
    const struct conf_listener *listener, struct tunnel_facts *f)
{
	const struct boot *boot = all->boot;

	*t = (struct tunnel){ .all = all, .facts = f, .listener = listener };
	f->number = ++all->number;
	f->worker = boot->worker;
	f->generation = boot->generation;
	f->client = *client;
	f->listener = (uint32_t)(listener - boot->conf->listeners);
	f->wall = clock_wall();
	f->accepted = loop_now(all->loop);
	stats_add(&all->slot->count[STAT_ACCEPTED], 1);
}

static struct tunnel *
tunnel_new(struct tunnels *all, const struct addr *client,
    const struct conf_listener *listener)
{
	struct tunnel *t = malloc(sizeof(*t));
	struct tunnel_facts *f = NULL;

	if (t != NULL)
		f = table_take(all->table);
	if (f == NULL) {
		free(t);
		return (NULL);
	}
	tunnel_init(t, all, client, listener, f);
	table_begin(all->table, f);
	t->active = t->state_since = t->facts->accepted;
	t->look = CLOCK_NEVER;
	t->task.cb = task_cb;
	timer_init(&t->timer, tunnel_timer_cb);
	half_tls_init(&t->client, &all->buffers, &t->upstream);
	half_init(&t->upstream, &half_tcp_ops, &all->buffers, &t->client);
	t->client.strict = all->boot->conf->tls.require_close_notify;
	t->client.lfd.cb = client_cb;
	TAILQ_INSERT_TAIL(&all->list, t, entry);
	all->count++;
	atomic_store_explicit(
	    &all->slot->tunnels, all->count, memory_order_relaxed);
	return (t);
}

/*
 * There is no memory for a tunnel, or no slot in the table, so it is over
 * before it could be one. To tell that takes none.
 */
static void
tunnel_unborn(struct tunnels *all, const struct addr *client,
    const struct conf_listener *listener, enum reason reason)
{
	struct tunnel_facts facts;
	struct tunnel t;

	facts_init(&facts);
	tunnel_init(&t, all, client, listener, &facts);
	t.facts->reason = reason;
	tunnel_tell_end(&t);
}

static bool
speaks_for_others(const struct conf_listener *l, const struct addr *client)
{
	size_t i;

	for (i = 0; i < l->ntrusted_proxies; i++)
		if (cidr_names(&l->trusted_proxies[i], client))
			return (true);
	return (false);
}

void
tunnel_open(struct tunnels *all, int fd, const struct addr *client,
    const struct conf_listener *listener)
{
	struct tunnel *t = tunnel_new(all, client, listener);
	int error;

	if (t == NULL) {
		fd_close(&fd);
		tunnel_unborn(all, client, listener, REASON_NO_MEMORY);
		return;
	}
	error = loop_add(all->loop, &t->client.lfd, fd, LOOP_STREAM);
	if (error != 0) {
		fd_close(&fd);
		tunnel_close(
		    t, error == -ENOMEM ? REASON_NO_MEMORY : REASON_INTERNAL);
	} else if (speaks_for_others(listener, client)) {
		tunnel_proxy(t);
	} else {
		(void)tunnel_hello(t);
	}
}

void
tunnel_refuse(struct tunnels *all, int fd, const struct addr *client,
    const struct conf_listener *listener, enum reason reason)
{
	struct tunnel *t = tunnel_new(all, client, listener);

	fd_close(&fd);
	if (t == NULL)
		tunnel_unborn(all, client, listener, reason);
	else
		tunnel_close(t, reason);
}
