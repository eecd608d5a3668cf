/* Questions to a name server that lives on the same loop. */
#include "worker/dns/channel.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "t/unit/name_server.h"
#include "t/unit/steps.h"
#include "t/unit/tap.h"
#include "worker/dns/channel_state.h"

#define ASKERS 6

struct test;

/* One who asks, and what was answered last. */
struct asker {
	struct dns_question question;
	struct test *t;
	unsigned calls;
	bool freed;
	enum reason reason;
	size_t n;
};

struct test {
	struct steps steps;
	struct dns_channel *ch;
	struct conf_dns conf;
	struct dns_terms terms;
	struct name_server sv;
	struct asker askers[ASKERS];
};

static char path[] = "/tmp/resolver-XXXXXX";

static void
question_cb(struct dns_question *q, const struct dns_result *result)
{
	struct asker *asker = container_of(q, struct asker, question);
	struct test *t = asker->t;

	asker->calls++;
	asker->freed = result == NULL;
	if (result != NULL) {
		asker->reason = result->reason;
		asker->n = result->naddrs;
	}
	steps_answered(&t->steps);
}

static void
ask(struct test *t, size_t i, const char *name, int family)
{
	struct asker *asker = &t->askers[i];

	asker->question.key = (struct dns_key){ name, family };
	asker->question.cb = question_cb;
	t->steps.waiting++;
	dns_channel_ask(t->ch, &asker->question);
}

static void
write_resolv_conf(const char *text)
{
	FILE *f;

	(void)unlink(path);
	f = fopen(path, "w");
	if (f == NULL || fputs(text, f) < 0 || fclose(f) != 0) {
		printf("Bail out! %s\n", path);
		exit(1);
	}
}

static void
test_open(struct test *t)
{
	size_t i;

	memset(t, 0, sizeof(*t));
	steps_open(&t->steps, t);
	name_server_open(&t->sv, t->steps.loop);
	for (i = 0; i < ASKERS; i++)
		t->askers[i].t = t;
	t->conf.timeout =
	    (getenv("SNIPORT_VALGRIND") != NULL ? 5 : 1) * 200 * CLOCK_MSEC;
	t->conf.tries = 2;
	t->terms.resolv_conf = path;
	t->terms.port = t->sv.port;
}

/* Runs the steps up to a NULL, with a channel that asks t->sv. */
static void
test_run(struct test *t, void (*const *steps)(struct test *))
{
	is_int(dns_channel_new(
		   &t->ch, t->steps.loop, &t->conf, &t->terms, t->steps.log),
	    0, "a channel is made");
	steps_run(&t->steps, steps);
	dns_channel_free(t->ch);
	name_server_close(&t->sv);
	steps_close(&t->steps);
}

/* resolv.conf */

static void
file_ask(struct test *t)
{
	ask(t, 0, "short", AF_INET);
	ask(t, 1, "a.b", AF_INET);
}

static void
file_change(struct test *t)
{
	is_int(t->sv.questions, 2, "no search list");
	is_int(t->askers[0].n, 0, "no alias of the environment");
	is_str(t->sv.last, "a.b", "the name as it is");
	ask(t, 2, "drop.test", AF_INET);
	is_int(dns_channel_count(t->ch), 1, "one set of name servers");
	write_resolv_conf("nameserver 127.0.0.2\n"); /* none is there */
	ask(t, 3, "a.test", AF_INET);
	is_int(dns_channel_count(t->ch), 2, "another file, other servers");
	ask(t, 5, "a.test", AF_INET6);
	is_int(dns_channel_count(t->ch), 2, "once");
	write_resolv_conf("nameserver 127.0.0.1\n");
	ask(t, 4, "twice.test", AF_INET);
	is_int(dns_channel_count(t->ch), 3, "and others");
}

static void
file_gone(struct test *t)
{
	is_int(t->askers[2].reason, REASON_DNS_TIMEOUT,
	    "the first ones ended their question");
	is_int(t->askers[3].reason, REASON_DNS_FAILED,
	    "the second ones had the next");
	is_int(t->askers[5].reason, REASON_DNS_FAILED, "both of them");
	is_int(t->askers[4].n, 2, "and the third ones the last");
	(void)unlink(path);
	ask(t, 0, "mapped.test", AF_INET6);
	is_int(dns_channel_count(t->ch), 1, "those that are idle are freed");
}

static void
file_end(struct test *t)
{
	is_int(t->askers[0].n, 1, "without the file the last ones stay");
}

static void
test_file(struct test *t)
{
	static void (*const steps[])(struct test *) = { file_ask, file_change,
		file_gone, file_end, NULL };

	test_open(t);
	/* The first line is for HOSTALIASES, which has such a file, too. */
	write_resolv_conf("short a.test\nsearch corp.test\n"
			  "nameserver 127.0.0.1\noptions ndots:5\n");
	setenv("HOSTALIASES", path, 1);
	test_run(t, steps);
	unsetenv("HOSTALIASES");
}

static void
missing_ask(struct test *t)
{
	ask(t, 0, "a.test", AF_INET);
}

static void
missing_end(struct test *t)
{
	is_int(t->askers[0].n, 2, "without a file 127.0.0.1 is asked");
	write_resolv_conf("nameserver 127.0.0.2\n");
	ask(t, 0, "a.test", AF_INET);
	is_int(dns_channel_count(t->ch), 1,
	    "it is one set again: the former is idle");
}

static void
missing_found(struct test *t)
{
	is_int(t->askers[0].reason, REASON_DNS_FAILED, "until there is one");
}

static void
test_missing(struct test *t)
{
	static void (*const steps[])(
	    struct test *) = { missing_ask, missing_end, missing_found, NULL };

	test_open(t);
	(void)unlink(path);
	test_run(t, steps);
}

static void
seldom_change(struct test *t)
{
	ask(t, 0, "drop.test", AF_INET);
	write_resolv_conf("nameserver 127.0.0.2\n");
	ask(t, 1, "a.test", AF_INET);
	is_int(dns_channel_count(t->ch), 1, "the same servers still");
}

static void
seldom_end(struct test *t)
{
	is_int(t->askers[1].n, 2, "which answer");
}

static void
test_seldom(struct test *t)
{
	static void (*const steps[])(
	    struct test *) = { seldom_change, seldom_end, NULL };

	test_open(t);
	t->terms.interval = 3600 * CLOCK_SEC;
	write_resolv_conf("nameserver 127.0.0.1\n");
	test_run(t, steps);
}

/* no file to be read, while there are servers */

static void
kept_change(struct test *t)
{
	is_int(t->askers[0].n, 2, "the servers of the file answer");
	(void)unlink(path);
	is_int(mkfifo(path, 0600), 0, "a pipe takes its place");
	ask(t, 1, "a.test", AF_INET);
}

static void
kept_pipe(struct test *t)
{
	is_int(t->askers[1].n, 2,
	    "nobody waits for the pipe: the former servers answer");
}

static void
kept_empty(struct test *t)
{
	write_resolv_conf("");
	ask(t, 2, "a.test", AF_INET);
	write_resolv_conf("search test\nnameserver 127.0.0");
	ask(t, 3, "a.test", AF_INET);
}

static void
kept_other(struct test *t)
{
	is_int(t->askers[2].n, 2, "an empty file: they answer");
	is_int(t->askers[3].n, 2, "a cut one: they answer");
	write_resolv_conf("nameserver 127.0.0.2\n");
	ask(t, 4, "a.test", AF_INET);
}

static void
kept_end(struct test *t)
{
	is_int(t->askers[4].reason, REASON_DNS_FAILED,
	    "until the file names another");
}

static void
test_kept(struct test *t)
{
	static void (*const steps[])(struct test *) = { missing_ask,
		kept_change, kept_pipe, kept_empty, kept_other, kept_end,
		NULL };

	test_open(t);
	write_resolv_conf("nameserver 127.0.0.1\n");
	test_run(t, steps);
}

/* servers of the configuration */

static void
test_configured(struct test *t)
{
	static void (*const steps[])(
	    struct test *) = { seldom_change, seldom_end, NULL };
	struct nameserver servers[2] = {
		{ .addr = { .family = AF_INET, .ip = { 127, 0, 0, 2 } } },
		{ .addr = { .family = AF_INET, .ip = { 127, 0, 0, 1 } } },
	};

	test_open(t);
	servers[0].addr.port = servers[1].addr.port = t->sv.port;
	t->conf.servers = servers;
	t->conf.nservers = 2;
	t->terms.port = 1;
	write_resolv_conf("nameserver 127.0.0.3\n");
	test_run(t, steps);
}

/* a turn of the loop in which a question's time is over */

static void
turn_ask(struct test *t)
{
	ask(t, 0, "drop.test", AF_INET);
	/* Longer than c-ares waits for it, too. */
	usleep((useconds_t)(3 * t->conf.timeout / CLOCK_USEC) + 5000);
	ares_process_fd(t->askers[0].question.set->servers[0].askers[0]->ares,
	    ARES_SOCKET_BAD, ARES_SOCKET_BAD);
}

static void
turn_end(struct test *t)
{
	is_int(t->askers[0].reason, REASON_DNS_TIMEOUT,
	    "a turn that takes longer than a question may");
	is_int(t->sv.questions, 1, "asks no more often than is told");
}

static void
test_long_turn(struct test *t)
{
	static void (*const steps[])(
	    struct test *) = { turn_ask, turn_end, NULL };

	test_open(t);
	t->conf.tries = 1;
	write_resolv_conf("nameserver 127.0.0.1\n");
	test_run(t, steps);
}

/* a socket by which nothing is heard */

/* By which new questions leave. */
static const struct dns_asker *
asker_of(struct test *t)
{
	return (t->askers[0].question.set->servers[0].askers[0]);
}

static void
deaf_ask(struct test *t)
{
	const struct dns_asker *deaf;

	ask(t, 0, "drop.test", AF_INET);
	deaf = asker_of(t);
	ask(t, 1, "drop.test", AF_INET6);
	ok(asker_of(t) == deaf, "questions leave by the same socket");
	asker_of(t)->server->askers[0]->deaf = true;
	ask(t, 2, "a.test", AF_INET);
	ok(asker_of(t) != deaf, "but not by one that cannot be watched");
}

static void
deaf_end(struct test *t)
{
	is_int(t->askers[0].reason, REASON_DNS_TIMEOUT, "by which one is lost");
	is_int(t->askers[2].n, 2, "and are answered");
}

static void
test_deaf(struct test *t)
{
	static void (*const steps[])(
	    struct test *) = { deaf_ask, deaf_end, NULL };

	test_open(t);
	t->conf.tries = 1;
	write_resolv_conf("nameserver 127.0.0.1\n");
	test_run(t, steps);
}

/* many questions, and the end of the channel with them */

/* Asks from askers[i] on until no more may be asked for the client; returns
 * where it came to. */
static unsigned
fill(struct test *t, struct asker *askers, unsigned i, uint64_t client)
{
	for (; i < DNS_CHANNEL_QUESTIONS_MAX; i++) {
		if (dns_channel_full(t->ch, client))
			break;
		askers[i].t = t;
		askers[i].question.key =
		    (struct dns_key){ "drop.test", AF_INET };
		askers[i].question.client = client;
		askers[i].question.cb = question_cb;
		t->steps.waiting++;
		dns_channel_ask(t->ch, &askers[i].question);
	}
	return (i);
}

static void
full_ask(struct test *t)
{
	static struct asker askers[DNS_CHANNEL_QUESTIONS_MAX];
	unsigned i, client, ended = 0;

	t->sv.silent = true;
	i = fill(t, askers, 0, 1);
	is_int(i, DNS_CHANNEL_QUESTIONS_MAX / 2,
	    "a client may ask as much as it leaves to others");
	for (client = 2; client <= 6; client++)
		i = fill(t, askers, i, client);
	ok(!dns_channel_full(t->ch, 7), "however many they are");
	dns_channel_join(t->ch, &askers[0].question, 7);
	ok(!dns_channel_full(t->ch, 7), "whoever waits for theirs, too");
	i = fill(t, askers, i, 0);
	is_int(i, DNS_CHANNEL_QUESTIONS_MAX, "so many may be asked");
	ok(dns_channel_full(t->ch, 0) && dns_channel_full(t->ch, 8),
	    "and no more");
	dns_channel_free(t->ch);
	t->ch = NULL;
	for (i = 0; i < DNS_CHANNEL_QUESTIONS_MAX; i++)
		ended += askers[i].calls == 1 && askers[i].freed;
	is_int(ended, DNS_CHANNEL_QUESTIONS_MAX, "all are told of the end");
}

static void
test_full(struct test *t)
{
	static void (*const steps[])(struct test *) = { full_ask, NULL };

	test_open(t);
	write_resolv_conf("nameserver 127.0.0.1\n");
	test_run(t, steps);
}

int
main(void)
{
	static struct test t;
	int fd = mkstemp(path);

	if (fd == -1) {
		printf("Bail out! %s\n", path);
		return (1);
	}
	close(fd);
	test_file(&t);
	test_missing(&t);
	test_seldom(&t);
	test_kept(&t);
	test_configured(&t);
	test_long_turn(&t);
	test_deaf(&t);
	test_full(&t);
	(void)unlink(path);
	return (done_testing());
}
