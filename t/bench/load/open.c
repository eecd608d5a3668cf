/* Open loops of the load generator. */
#include "t/bench/load/work.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"

#include "t/bench/load/upstream.h"

#define PENDING 64 /* messages of one connection that are under way */

/* The moments of the messages of one connection. */
struct line {
	struct client *client;
	int64_t moments[PENDING];
	unsigned first, count, bytes;
};

static struct work job;
static struct line lines[WORK_PARALLEL_MAX];
static int64_t *times; /* what each took */
static uint64_t ntimes, begun, failed, waiting, turn, seed;
static int64_t moment, last, patience = 5 * CLOCK_SEC;

static double
uniform(void)
{
	seed = seed * UINT64_C(6364136223846793005) +
	       UINT64_C(1442695040888963407);
	return ((double)((seed >> 11) + 1) / (double)(UINT64_C(1) << 53));
}

/* The next moment: arrivals know nothing of each other. */
static void
next_moment(void)
{
	moment +=
	    (int64_t)(-log(uniform()) * (double)CLOCK_SEC / (double)job.rate);
}

static int
compare(const void *a, const void *b)
{
	const int64_t *x = a, *y = b;

	return ((*x > *y) - (*x < *y));
}

static long long
percentile(uint64_t per_mille)
{
	return (ntimes == 0 ? 0 : times[(ntimes - 1) * per_mille / 1000]);
}

static void
finish(void)
{
	loop_tick(NULL);
	qsort(times, ntimes, sizeof(times[0]), compare);
	say("done %llu %llu %lld %lld %lld %lld", (unsigned long long)ntimes,
	    (unsigned long long)(begun - ntimes), percentile(500),
	    percentile(990), percentile(999), percentile(1000));
}

static void
took(int64_t since)
{
	if (ntimes < begun)
		times[ntimes++] = clock_now() - since;
}

/* Connections */

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
		if (c->left == CLIENT_MESSAGE)
			took(c->began);
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
	if (!well && c->left == CLIENT_MESSAGE)
		failed++; /* no byte of an answer came */
}

static void
cycle_begin(void)
{
	static const struct client_use use = { cycle_opened, cycle_input, NULL,
		cycle_closed };

	struct client *c = client_start(job.server, &use, NULL);

	c->began = moment;
	c->left = CLIENT_MESSAGE;
}

/* Messages */

static void
line_opened(struct client *c)
{
	client_order(c, ORDER_ECHO, 0);
}

static void
line_input(struct client *c)
{
	struct line *l = &lines[c->index];
	uint8_t bytes[PENDING * CLIENT_MESSAGE];
	ssize_t n;

	while ((n = client_read(c, bytes, sizeof(bytes))) > 0) {
		l->bytes += (unsigned)n;
		for (; l->bytes >= CLIENT_MESSAGE; l->bytes -= CLIENT_MESSAGE) {
			if (l->count == 0) {
				if (--waiting == 0)
					say("ready");
				continue;
			}
			took(l->moments[l->first]);
			l->first = (l->first + 1) % PENDING;
			l->count--;
		}
	}
}

static void
line_closed(struct client *c, bool well)
{
	lines[c->index].client = NULL;
	if (waiting > 0 && --waiting == 0)
		say("ended");
}

static void
line_begin(void)
{
	struct line *l = &lines[turn++ % job.parallel];

	/* Where it stands still, what is not sent has failed. */
	if (l->client == NULL || l->count == PENDING)
		return;
	l->moments[(l->first + l->count++) % PENDING] = moment;
	client_message(l->client);
}

static int64_t
tick(int64_t now)
{
	for (; moment <= now && begun < job.count; next_moment()) {
		begun++;
		last = now;
		if (strcmp(job.kind, "full") == 0)
			cycle_begin();
		else
			line_begin();
	}
	if (begun < job.count)
		return (moment);
	if (ntimes + failed >= begun || now > last + patience)
		finish();
	return (last + patience);
}

bool
open_prepare(const struct work *work)
{
	static const struct client_use use = { line_opened, line_input, NULL,
		line_closed };
	bool ping = strcmp(work->kind, "ping") == 0;
	unsigned i;

	if (!ping && strcmp(work->kind, "full") != 0)
		return (false);
	job = *work;
	job.kind = ping ? "ping" : "full";
	free(times);
	times = must_calloc(job.count, sizeof(times[0]));
	memset(lines, 0, sizeof(lines));
	begun = ntimes = failed = turn = 0;
	seed = 1;
	waiting = ping ? job.parallel : 0;
	for (i = 0; i < waiting; i++) {
		lines[i].client = client_start(job.server, &use, NULL);
		lines[i].client->index = i;
	}
	if (!ping)
		say("ready");
	return (true);
}

void
open_patience(unsigned seconds)
{
	patience = seconds * CLOCK_SEC;
}

void
open_go(void)
{
	moment = last = clock_now();
	next_moment();
	loop_tick(tick);
}

void
open_end(void)
{
	unsigned i;

	loop_tick(NULL);
	waiting = 0;
	for (i = 0; i < job.parallel; i++) {
		if (lines[i].client == NULL)
			continue;
		waiting++;
		client_close(lines[i].client);
	}
	if (waiting == 0)
		say("ended");
}
