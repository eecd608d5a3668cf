/*
 * The reserve of c-ares' memory is given back with the line to a name server
 * that holds it, once the system has memory again. The reserve is the real one;
 * the system's memory runs out when a test says so.
 */
#include <malloc.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

static bool scarce;

#define malloc(size)	      (scarce ? NULL : malloc(size))
#define realloc(memory, size) (scarce ? NULL : realloc(memory, size))
#include "worker/dns/memory.c"
#undef malloc
#undef realloc

#include "common/base/clock.h"
#include "t/unit/name_server.h"
#include "t/unit/steps.h"
#include "t/unit/tap.h"
#include "worker/dns/channel.h"

struct test {
	struct steps steps;
	struct dns_channel *ch;
	struct conf_dns conf;
	struct dns_terms terms;
	struct name_server sv;
	struct dns_question question;
	size_t n;
};

static void
question_cb(struct dns_question *q, const struct dns_result *result)
{
	struct test *t = container_of(q, struct test, question);

	if (result == NULL)
		return;
	t->n = result->naddrs;
	steps_answered(&t->steps);
}

static void
ask(struct test *t)
{
	t->n = 0;
	t->question.key = (struct dns_key){ "a.test", AF_INET };
	t->question.cb = question_cb;
	t->steps.waiting++;
	dns_channel_ask(t->ch, &t->question);
}

static void
ask_scarce(struct test *t)
{
	scarce = true;
	ask(t);
	ok(dns_memory_short(), "c-ares takes from the reserve");
}

static void
ask_plenty(struct test *t)
{
	is_int(t->n, 2, "the question is answered");
	ok(dns_memory_short(), "the line to the server keeps what it got");
	scarce = false;
	ask(t);
}

/* A line that is idle goes when somebody asks. */
static void
ask_again(struct test *t)
{
	is_int(t->n, 2, "by another line, too");
	ask(t);
	ok(!dns_memory_short(), "with the old line all of the reserve is back");
}

static void
end(struct test *t)
{
	is_int(t->n, 2, "nor does that stop a question");
	ok(!dns_memory_short(), "and the reserve stays whole");
}

int
main(void)
{
	static void (*const steps[])(
	    struct test *) = { ask_scarce, ask_plenty, ask_again, end, NULL };
	struct nameserver server = {
		.addr = { .family = AF_INET, .ip = { 127, 0, 0, 1 } },
	};
	static struct test t;

	steps_open(&t.steps, &t);
	name_server_open(&t.sv, t.steps.loop);
	server.addr.port = t.sv.port;
	t.conf.timeout = 10 * CLOCK_SEC;
	t.conf.tries = 1;
	t.conf.servers = &server;
	t.conf.nservers = 1;
	is_int(dns_channel_new(
		   &t.ch, t.steps.loop, &t.conf, &t.terms, t.steps.log),
	    0, "a channel is made");
	steps_run(&t.steps, steps);
	dns_channel_free(t.ch);
	ok(!dns_memory_short(), "the end leaves nothing in it");
	name_server_close(&t.sv);
	steps_close(&t.steps);
	return (done_testing());
}
