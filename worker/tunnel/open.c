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
	if (t->state->slow)
		tunnel_heard(t);
	else if (!tunnel_waits(t))
		tunnel_run(t);
}

static void
task_cb(struct loop_task *task)
{
	struct tunnel *t = container_of(task, struct tunnel, task);

	tunnel_run(t);
}

/* When the next one comes, and to which listener; NULL: nobody knows yet. */
static void
set_facts(struct tunnels *all, const struct conf_listener *listener,
    struct tunnel_facts *f)
{
	const struct boot *boot = all->boot;

	f->number = all->number + 1;
	f->worker = boot->worker;
	f->generation = boot->generation;
	if (listener != NULL)
		f->listener = (uint32_t)(listener - boot->conf->listeners);
	f->wall = clock_wall();
	f->accepted = loop_now(all->loop);
}

static struct tunnel_facts *
await(struct tunnels *all, const struct conf_listener *listener)
{
	all->coming = table_take(all->table);
	if (all->coming != NULL)
		set_facts(all, listener, all->coming);
	return (all->coming);
}

static uint64_t
accepted(const struct tunnels *all)
{
	return (atomic_load_explicit(
	    &all->slot->count[STAT_ACCEPTED], memory_order_relaxed));
}

void *
tunnel_await(
    struct tunnels *all, const struct conf_listener *listener, socklen_t *len)
{
	struct tunnel_facts *f = await(all, listener);

	*len = f != NULL ? TABLE_AWAIT_SIZE : sizeof(all->elsewhere);
	return (f != NULL ? table_await(all->table, f, accepted(all))
			  : &all->elsewhere);
}

void *
tunnel_await_handed(struct tunnels *all, size_t addr)
{
	struct tunnel_facts *f = await(all, NULL);

	return (f != NULL
		    ? table_await_message(all->table, f, accepted(all), addr)
		    : &all->elsewhere);
}

void
tunnel_await_no_more(struct tunnels *all)
{
	if (all->coming != NULL)
		table_untake(all->table, all->coming);
	all->coming = NULL;
}

/* Who came, where and when: all that is known of it. It is in no list. */
static void
tunnel_init(struct tunnel *t, struct tunnels *all, const struct addr *client,
    const struct conf_listener *listener, struct tunnel_facts *f)
{
	*t = (struct tunnel){ .all = all, .facts = f, .listener = listener };
	set_facts(all, listener, f);
	f->client = *client;
	all->number++;
	stats_add(&all->slot->count[STAT_ACCEPTED], 1);
}

/* The slot of the connection that has come, or of one that others accepted. */
static struct tunnel_facts *
take_facts(struct tunnels *all)
{
	struct tunnel_facts *f = all->coming;

	all->coming = NULL;
	return (f != NULL ? f : table_take(all->table));
}

static struct tunnel *
tunnel_new(struct tunnels *all, const struct addr *client,
    const struct conf_listener *listener)
{
	struct tunnel *t = malloc(sizeof(*t));
	struct tunnel_facts *f = NULL;

	if (t != NULL)
		f = take_facts(all);
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
	half_tcp_init(&t->upstream, &all->buffers, &t->client);
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
	tunnel_await_no_more(all);
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
