/* Closed loops of the load generator. */
#include "t/bench/load/work.h"

#include <sys/epoll.h>
#include <err.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "common/base/clock.h"

#include "t/bench/load/upstream.h"

#define HELLO_SIZE 4096
#define ALERT	   21 /* type of a record */

static struct work job;
static struct client *clients[WORK_PARALLEL_MAX];
static SSL_SESSION *sessions[WORK_PARALLEL_MAX];
static bool going, ending;
static uint64_t begun, done, failed, waiting;
static int64_t started;
static uint8_t hello[HELLO_SIZE];
static size_t hello_len;

static void
unit_done(uint64_t n)
{
	done += n;
	if (going && done >= job.count) {
		going = false;
		loop_busy(false);
		say("done %lld %llu", (long long)(clock_now() - started),
		    (unsigned long long)failed);
	}
}

/* One fewer is to be prepared, or to end. */
static void
one_less(void)
{
	if (--waiting == 0)
		say(ending ? "ended" : "ready");
}

/* Whole connections */

static void cycle_start(unsigned index);

static void
cycle_opened(struct client *c)
{
	client_order(c, ORDER_ECHO, 0);
	c->left = CLIENT_MESSAGE;
}

static void
cycle_input(struct client *c)
{
	uint8_t bytes[CLIENT_MESSAGE];
	ssize_t n;

	while ((n = client_read(c, bytes, c->left)) > 0) {
		c->left -= (uint64_t)n;
		if (c->left == 0) {
			client_close(c);
			return;
		}
	}
}

static void
cycle_closed(struct client *c, bool well)
{
	/* A session that should have been resumed and was not counts. */
	if (!well ||
	    (going && c->resumed != (strcmp(job.kind, "resumed") == 0)))
		failed++;
	if (!going) {
		one_less();
		return;
	}
	unit_done(1);
	if (going && begun < job.count)
		cycle_start(c->index);
}

static void
cycle_start(unsigned index)
{
	static const struct client_use use = { cycle_opened, cycle_input, NULL,
		cycle_closed };
	struct client *c;

	begun++;
	c = client_start(job.server, &use,
	    strcmp(job.kind, "resumed") == 0 ? &sessions[index] : NULL);
	c->index = index;
}

/* Connections that are there */

static void
stay_opened(struct client *c)
{
	if (strcmp(job.kind, "ping") != 0) {
		one_less();
		return;
	}
	client_order(c, ORDER_ECHO, 0);
	c->left = CLIENT_MESSAGE;
}

static void
ping_next(struct client *c)
{
	if (begun >= job.count)
		return;
	begun++;
	c->left = CLIENT_MESSAGE;
	client_message(c);
}

static void
ping_input(struct client *c)
{
	uint8_t bytes[CLIENT_MESSAGE];
	ssize_t n;

	while ((n = client_read(c, bytes, sizeof(bytes))) > 0) {
		c->left -= (uint64_t)n;
		if (c->left > 0)
			continue;
		if (!going) {
			one_less();
			continue;
		}
		unit_done(1);
		ping_next(c);
	}
}

static void
down_input(struct client *c)
{
	static uint8_t bytes[CLIENT_RECORD];
	ssize_t n;

	while ((n = client_read(c, bytes, sizeof(bytes))) > 0) {
		c->left -= (uint64_t)n;
		unit_done((uint64_t)n);
	}
}

static void
up_output(struct client *c)
{
	static const uint8_t bytes[CLIENT_RECORD];
	size_t n;

	do {
		n = client_write(c, bytes,
		    c->left < sizeof(bytes) ? (size_t)c->left : sizeof(bytes));
		c->left -= n;
	} while (n > 0 && c->left > 0);
}

static void
up_input(struct client *c)
{
	uint8_t byte;

	if (client_read(c, &byte, 1) == 1)
		unit_done(job.count / job.parallel);
}

static void
stay_closed(struct client *c, bool well)
{
	clients[c->index] = NULL;
	if (waiting > 0) {
		failed += well ? 0 : 1;
		one_less();
	} else if (c->left > 0) {
		/* It cannot be done any more. */
		failed++;
		unit_done(job.count);
	}
}

static void
stay_start(unsigned index, void (*input)(struct client *))
{
	static struct client_use use;

	use = (struct client_use){ stay_opened, input, up_output, stay_closed };
	clients[index] = client_start(job.server, &use, NULL);
	clients[index]->index = index;
}

static void
stay_go(struct client *c)
{
	uint64_t size = job.count / job.parallel;

	if (c == NULL)
		return;
	if (strcmp(job.kind, "ping") == 0) {
		ping_next(c);
		return;
	}
	c->left = size;
	client_order(
	    c, strcmp(job.kind, "down") == 0 ? ORDER_SOURCE : ORDER_SINK, size);
	if (strcmp(job.kind, "up") == 0)
		up_output(c);
}

/* Refused ones: a ClientHello, then whatever comes until the end. */

struct refused {
	struct watch watch;
	bool alert; /* came */
};

static void refused_start(void);

static void
refused_ready(struct watch *w, uint32_t events)
{
	struct refused *r = (struct refused *)w;
	uint8_t bytes[512];
	ssize_t n;

	if ((events & EPOLLOUT) != 0) {
		if (write(w->fd, hello, hello_len) != (ssize_t)hello_len)
			warn("client: ClientHello");
		watch_change(w, EPOLLIN);
		return;
	}
	while ((n = read(w->fd, bytes, sizeof(bytes))) > 0)
		r->alert = bytes[0] == ALERT;
	if (n == -1 && errno == EAGAIN)
		return;
	failed += r->alert ? 0 : 1;
	watch_free(w);
	unit_done(1);
	if (going && begun < job.count)
		refused_start();
}

static void
refused_start(void)
{
	struct refused *r = must_calloc(1, sizeof(*r));

	begun++;
	r->watch.fd = client_socket(job.server);
	r->watch.ready = refused_ready;
	watch_add(&r->watch, EPOLLOUT);
}

/* All of them */

bool
closed_prepare(const struct work *work)
{
	static const char *const kinds[] = { "full", "resumed", "ping", "down",
		"up", "refused" };
	void (*const inputs[])(struct client *) = { NULL, NULL, ping_input,
		down_input, up_input, NULL };
	unsigned i, kind;

	for (kind = 0; strcmp(kinds[kind], work->kind) != 0; kind++)
		if (kind + 1 == sizeof(kinds) / sizeof(kinds[0]))
			return (false);
	job = *work;
	job.kind = kinds[kind];
	job.count -= inputs[kind] == NULL ? 0 : job.count % job.parallel;
	going = ending = false;
	begun = done = failed = 0;
	waiting = job.parallel;
	if (strcmp(job.kind, "refused") == 0) {
		hello_len = client_hello(job.server, hello, sizeof(hello));
		waiting = 0;
		say("ready");
		return (true);
	}
	for (i = 0; i < job.parallel; i++) {
		if (inputs[kind] != NULL) {
			stay_start(i, inputs[kind]);
			continue;
		}
		SSL_SESSION_free(sessions[i]);
		sessions[i] = NULL;
		cycle_start(i);
	}
	return (true);
}

void
closed_go(void)
{
	unsigned i;

	begun = done = 0;
	going = true;
	loop_busy(true);
	started = clock_now();
	for (i = 0; i < job.parallel && begun < job.count; i++) {
		if (strcmp(job.kind, "refused") == 0)
			refused_start();
		else if (strcmp(job.kind, "full") == 0 ||
			 strcmp(job.kind, "resumed") == 0)
			cycle_start(i);
		else
			stay_go(clients[i]);
	}
}

void
closed_end(void)
{
	unsigned i;

	ending = true;
	waiting = 1;
	for (i = 0; i < job.parallel; i++) {
		if (clients[i] == NULL)
			continue;
		waiting++;
		client_close(clients[i]);
	}
	one_less();
}
