/* Connections that the load generator holds in one state. */
#include <sys/epoll.h>
#include <err.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "t/bench/load/upstream.h"
#include "t/bench/load/work.h"

#define HELLO_SIZE   4096
#define LEAVING	     UINT_MAX
#define STALLED	     (UINT64_C(1) << 40) /* bytes that will never arrive */
#define STALLED_SIZE 4096		 /* of the receive buffer, as asked */

/* One that is held: raw bytes were sent, or it is a client. */
struct held {
	struct watch watch;
	struct client *client;
	bool there;
};

static struct work job;
static struct held **held;
static uint64_t nheld, room, opening, lost, leaving;
static uint8_t hello[HELLO_SIZE];
static size_t hello_len;

static void open_more(void);

static void
there(void)
{
	opening--;
	if (nheld < job.count)
		open_more();
	else if (opening == 0)
		say("held %llu %llu", (unsigned long long)nheld,
		    (unsigned long long)lost);
}

/* Raw ones */

static void
raw_ready(struct watch *w, uint32_t events)
{
	struct held *h = (struct held *)w;
	ssize_t n = (ssize_t)hello_len;

	if ((events & (EPOLLERR | EPOLLHUP)) != 0) {
		close(w->fd);
		w->fd = -1;
		lost++;
	} else if ((events & EPOLLOUT) != 0) {
		if (strcmp(job.kind, "silent") == 0)
			n = 0;
		else if (strcmp(job.kind, "half") == 0)
			n /= 2;
		if (n > 0 && write(w->fd, hello, (size_t)n) != n)
			err(1, "half a ClientHello");
		watch_change(w, EPOLLIN);
		if (n == (ssize_t)hello_len)
			return;
	} else {
		/* The answer stays unread. */
		watch_change(w, 0);
	}
	if (!h->there) {
		h->there = true;
		there();
	}
}

static struct held *
raw_start(void)
{
	struct held *h = must_calloc(1, sizeof(*h));

	h->watch.fd = client_socket(job.server);
	h->watch.ready = raw_ready;
	job.server->next++;
	watch_add(&h->watch, EPOLLOUT);
	return (h);
}

/* Tunnels */

static void
tunnel_opened(struct client *c)
{
	bool stalled = strcmp(job.kind, "stalled") == 0;

	client_order(
	    c, stalled ? ORDER_SOURCE : ORDER_ECHO, stalled ? STALLED : 0);
	c->left = CLIENT_MESSAGE;
	if (!stalled)
		return;
	watch_change(&c->watch, 0);
	there();
}

static void
tunnel_input(struct client *c)
{
	uint8_t bytes[CLIENT_MESSAGE];
	ssize_t n;

	while ((n = client_read(c, bytes, sizeof(bytes))) > 0) {
		c->left -= (uint64_t)n;
		if (c->left == 0)
			there();
	}
}

static void
tunnel_closed(struct client *c, bool well)
{
	if (c->index == LEAVING) {
		if (--leaving == 0)
			say("dropped");
		return;
	}
	held[c->index]->client = NULL;
	lost++;
	if (c->left > 0)
		there();
}

static struct held *
tunnel_start(uint64_t index)
{
	static const struct client_use use = { tunnel_opened, tunnel_input,
		NULL, tunnel_closed };
	static const int size = STALLED_SIZE;
	struct held *h = must_calloc(1, sizeof(*h));

	h->client = client_start(job.server, &use, NULL);
	h->client->index = (unsigned)index;
	h->client->left = CLIENT_MESSAGE;
	if (strcmp(job.kind, "stalled") == 0 &&
	    setsockopt(h->client->watch.fd, SOL_SOCKET, SO_RCVBUF, &size,
		sizeof(size)) == -1)
		err(1, "SO_RCVBUF");
	return (h);
}

static void
open_more(void)
{
	bool tunnel =
	    strcmp(job.kind, "idle") == 0 || strcmp(job.kind, "stalled") == 0;

	opening++;
	held[nheld] = tunnel ? tunnel_start(nheld) : raw_start();
	nheld++;
}

bool
hold(const struct work *work)
{
	static const char *const kinds[] = { "silent", "half", "stopped",
		"idle", "stalled" };
	unsigned i;

	for (i = 0; strcmp(kinds[i], work->kind) != 0; i++)
		if (i + 1 == sizeof(kinds) / sizeof(kinds[0]))
			return (false);
	job = *work;
	job.kind = kinds[i];
	job.count += nheld;
	if (job.count > room) {
		room = job.count;
		held = reallocarray(held, room, sizeof(held[0]));
		if (held == NULL)
			err(1, "reallocarray");
	}
	hello_len = client_hello(job.server, hello, sizeof(hello));
	for (opening = 0; opening < job.parallel && nheld < job.count;)
		open_more();
	return (true);
}

/* One that stalls could not end as it should. */
static void
leave(struct client *c)
{
	if (strcmp(job.kind, "stalled") == 0) {
		client_drop(c);
		return;
	}
	leaving++;
	c->index = LEAVING;
	client_close(c);
}

void
hold_drop(unsigned percent)
{
	uint64_t i, left = 0;

	leaving = 1;
	for (i = 0; i < nheld; i++) {
		if ((i + 1) * percent / 100 == i * percent / 100) {
			held[left] = held[i];
			if (held[left]->client != NULL)
				held[left]->client->index = (unsigned)left;
			left++;
		} else if (held[i]->client == NULL) {
			if (held[i]->watch.ready != NULL)
				watch_free(&held[i]->watch);
			else
				free(held[i]);
		} else {
			leave(held[i]->client);
			free(held[i]);
		}
	}
	nheld = left;
	if (--leaving == 0)
		say("dropped");
}
