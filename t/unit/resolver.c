/* The resolver against a name server that lives on the same loop. */
#include "worker/dns/resolver.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/net/hosts.h"
#include "t/unit/name_server.h"
#include "t/unit/steps.h"
#include "t/unit/tap.h"
#include "worker/dns/channel.h"

#define ASKERS 6

struct test;

/* One who asks, and what was answered last. */
struct asker {
	struct resolver_query query;
	struct test *t;
	unsigned calls;
	enum reason reason;
	bool cached, stale;
	size_t n;
	struct addr addrs[RESOLVER_ADDRS_MAX];
};

struct test {
	struct steps steps;
	struct resolver *r;
	struct conf_dns conf;
	struct hosts *hosts;
	struct stats_slot slot;
	struct name_server sv;
	struct asker askers[ASKERS];
	void (*hook)(struct asker *); /* in its callback */
};

/* the test */

static void
query_cb(struct resolver_query *q, const struct resolver_answer *a)
{
	struct asker *asker = container_of(q, struct asker, query);
	struct test *t = asker->t;

	asker->calls++;
	asker->reason = a->reason;
	asker->cached = a->cached;
	asker->stale = a->stale;
	asker->n = a->naddrs;
	if (a->naddrs != 0 && a->naddrs <= RESOLVER_ADDRS_MAX)
		memcpy(asker->addrs, a->addrs, a->naddrs * sizeof(*a->addrs));
	if (t->hook != NULL)
		t->hook(asker);
	steps_answered(&t->steps);
}

static void
ask(struct test *t, size_t i, const char *name, int family)
{
	t->steps.waiting++;
	resolver_ask(t->r, &t->askers[i].query, name, family, query_cb);
}

static void
cancel(struct test *t, size_t i)
{
	if (t->askers[i].query.entry != NULL)
		t->steps.waiting--;
	resolver_cancel(t->r, &t->askers[i].query);
}

/* Does the asker have one address, the IPv4 one that ends so? */
static bool
has_a(const struct asker *asker, unsigned last)
{
	const uint8_t ip[16] = { 192, 0, 2, (uint8_t)last };

	return (asker->reason == REASON_NONE && asker->n == 1 &&
		asker->addrs[0].family == AF_INET &&
		asker->addrs[0].port == 0 &&
		memcmp(asker->addrs[0].ip, ip, sizeof(ip)) == 0);
}

static uint64_t
counted(const struct test *t, enum stats_counter counter)
{
	return (atomic_load(&t->slot.count[counter]));
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
	t->conf = (struct conf_dns){
		.timeout = (getenv("SNIPORT_VALGRIND") != NULL ? 5 : 1) * 200 *
			   CLOCK_MSEC,
		.tries = 2,
		.cache_size = 100,
		.max_ttl = 3600 * CLOCK_SEC,
		.negative_ttl = 3600 * CLOCK_SEC,
		.stale = 3600 * CLOCK_SEC,
	};
}

/* Runs the steps up to a NULL, with a resolver that asks t->sv. */
static void
test_run(struct test *t, void (*const *steps)(struct test *))
{
	struct nameserver server = {
		.addr = { .family = AF_INET,
		    .port = t->sv.port,
		    .ip = { 127, 0, 0, 1 } },
	};

	t->conf.servers = &server;
	t->conf.nservers = 1;
	is_int(resolver_new(&t->r, t->steps.loop, &t->conf, t->hosts,
		   t->steps.log, &t->slot),
	    0, "a resolver is made");
	steps_run(&t->steps, steps);
	resolver_free(t->r);
	name_server_close(&t->sv);
	hosts_free(t->hosts);
	steps_close(&t->steps);
}

/* answers */

static void
answer_ask(struct test *t)
{
	ask(t, 0, "a.test", AF_INET);
	ask(t, 1, "a.test", AF_INET);
	ask(t, 2, "a.test", AF_INET6);
	is_int(t->askers[0].calls, 0, "an answer takes its time");
}

static void
answer_again(struct test *t)
{
	is_int(t->sv.questions, 2, "two askers, one question per family");
	is_int(t->askers[0].n, 2, "all addresses");
	is_int(t->askers[1].n, 2, "for both who asked");
	ok(!t->askers[0].cached && !t->askers[1].cached, "not cached");
	is_int(t->askers[0].addrs[1].ip[3], 2, "in the order of the answer");
	is_int(t->askers[2].addrs[0].family, AF_INET6, "IPv6 for AAAA");
	is_int(t->askers[2].addrs[0].ip[15], 1, "and the right one");
	ask(t, 0, "a.test", AF_INET);
	is_int(t->askers[0].calls, 2, "the second time at once");
	ok(t->askers[0].cached && !t->askers[0].stale, "from the cache");
	is_int(t->sv.questions, 2, "without a question");
	is_int(counted(t, STAT_DNS_QUERIES), 2, "questions are counted");
	is_int(counted(t, STAT_DNS_HITS), 1, "and hits");
}

static void
answer_odd(struct test *t)
{
	t->sv.questions = 0;
	ask(t, 0, "twice.test", AF_INET);
	ask(t, 1, "mapped.test", AF_INET6);
	ask(t, 2, "other.test", AF_INET6);
	ask(t, 3, "many.test", AF_INET);
	ask(t, 4, "short", AF_INET);
	ask(t, 5, "other6.test", AF_INET);
}

static void
answer_odd_end(struct test *t)
{
	const uint8_t mapped[16] = { [10] = 0xff, 0xff, 127, 0, 0, 1 };

	is_int(t->askers[0].n, 2, "the same address twice is one");
	is_int(t->askers[1].n, 1, "an IPv4-mapped address");
	is_int(t->askers[1].addrs[0].family, AF_INET6, "is IPv6 still");
	ok(memcmp(t->askers[1].addrs[0].ip, mapped, 16) == 0,
	    "and as it was served");
	is_int(t->askers[2].reason, REASON_DNS_NO_ADDRESS,
	    "A records do not answer AAAA");
	is_int(t->askers[2].n, 0, "with no address");
	is_int(t->askers[3].n, RESOLVER_ADDRS_MAX, "addresses are bounded");
	is_int(t->askers[3].addrs[31].ip[3], 31, "the first are taken");
	is_int(t->sv.tcp_questions, 1, "a truncated answer is asked by TCP");
	is_int(t->askers[4].reason, REASON_DNS_NO_ADDRESS, "NODATA");
	is_int(t->askers[5].reason, REASON_DNS_NO_ADDRESS,
	    "AAAA records do not answer A");
	t->sv.questions = 0;
	ask(t, 0, "x.onion", AF_INET);
	is_int(t->askers[0].calls, 3, "what c-ares answers by itself");
}

static void
answer_onion(struct test *t)
{
	is_int(t->askers[0].calls, 4, "is told when it has returned");
	is_int(t->askers[0].reason, REASON_DNS_NOT_FOUND, "no such name");
	is_int(t->sv.questions, 0, "which was not asked for");
}

static void
test_answers(struct test *t)
{
	static void (*const steps[])(struct test *) = { answer_ask,
		answer_again, answer_odd, answer_odd_end, answer_onion, NULL };

	test_open(t);
	test_run(t, steps);
}

/* failures */

static void
failure_ask(struct test *t)
{
	ask(t, 0, "nx.test", AF_INET);
	ask(t, 1, "servfail.test", AF_INET);
	ask(t, 2, "refused.test", AF_INET6);
	ask(t, 3, "drop.test", AF_INET);
	ask(t, 4, "forged.test", AF_INET);
}

static void
failure_again(struct test *t)
{
	static const enum reason want[] = { REASON_DNS_NOT_FOUND,
		REASON_DNS_FAILED, REASON_DNS_FAILED, REASON_DNS_TIMEOUT,
		REASON_DNS_TIMEOUT };
	size_t i;

	for (i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		is_str(reason_name(t->askers[i].reason), reason_name(want[i]),
		    reason_text(want[i]));
		is_int(t->askers[i].calls, 1, "said once");
	}
	t->sv.questions = 0;
	failure_ask(t);
}

static void
failure_end(struct test *t)
{
	is_int(t->sv.questions, 0, "failures are remembered");
	is_int(t->askers[3].calls, 2, "and said at once");
	ok(t->askers[3].cached, "as cached");
	is_int(t->askers[3].reason, REASON_DNS_TIMEOUT, "with the reason");
	ask(t, 0, "once.test", AF_INET);
}

static void
failure_lost(struct test *t)
{
	is_int(t->sv.questions, 2, "a lost packet is sent anew");
	ok(has_a(&t->askers[0], 8), "and answered");
	ask(t, 1, "garbage.test", AF_INET);
}

static void
failure_garbage(struct test *t)
{
	is_int(t->askers[1].reason, REASON_DNS_FAILED, "garbage is no answer");
}

static void
test_failures(struct test *t)
{
	static void (*const steps[])(struct test *) = { failure_ask,
		failure_again, failure_end, failure_lost, failure_garbage,
		NULL };

	test_open(t);
	test_run(t, steps);
}

/* times to live */

static void
ttl_ask(struct test *t)
{
	ask(t, 0, "zero.test", AF_INET);
	ask(t, 1, "wild.test", AF_INET);
	ask(t, 2, "cname.test", AF_INET);
}

static void
ttl_again(struct test *t)
{
	is_int(t->sv.questions, 3, "three questions");
	ok(has_a(&t->askers[2], 7), "an alias has its target's address");
	ttl_ask(t);
}

static void
ttl_end(struct test *t)
{
	is_int(t->sv.questions, 6,
	    "TTL 0, a TTL beyond 2^31, an alias of TTL 0: asked anew");
	ok(!t->askers[0].stale && has_a(&t->askers[0], 3), "answered anew");
}

static void
test_ttl(struct test *t)
{
	static void (*const steps[])(
	    struct test *) = { ttl_ask, ttl_again, ttl_end, NULL };

	test_open(t);
	test_run(t, steps);
}

/* stale answers */

static void
stale_ask(struct test *t)
{
	ask(t, 0, "zero.test", AF_INET);
}

static void
stale_silent(struct test *t)
{
	ok(has_a(&t->askers[0], 3) && !t->askers[0].stale, "an answer");
	t->sv.silent = true;
	ask(t, 0, "zero.test", AF_INET);
	ask(t, 1, "zero.test", AF_INET);
	is_int(t->askers[0].calls, 1, "the servers are asked first");
}

static void
stale_at_once(struct test *t)
{
	ok(has_a(&t->askers[0], 3), "they are silent: the old address");
	ok(t->askers[0].stale && t->askers[1].stale, "is called stale");
	ok(!t->askers[0].cached, "and was asked for");
	is_int(counted(t, STAT_DNS_STALE), 2, "and is counted");
	ask(t, 0, "zero.test", AF_INET);
	is_int(t->askers[0].calls, 3, "the next has it at once");
	ok(t->askers[0].stale && t->askers[0].cached, "from the cache");
	is_int(counted(t, STAT_DNS_STALE), 3, "and is counted");
}

static void
test_stale(struct test *t)
{
	static void (*const steps[])(
	    struct test *) = { stale_ask, stale_silent, stale_at_once, NULL };

	test_open(t);
	test_run(t, steps);
}

static void
stale_failed(struct test *t)
{
	t->sv.rcode = 2;
	ask(t, 0, "zero.test", AF_INET);
}

static void
stale_nx(struct test *t)
{
	ok(has_a(&t->askers[0], 3) && t->askers[0].stale,
	    "servers that fail leave the old address");
	t->sv.rcode = 3;
	ask(t, 0, "zero.test", AF_INET);
}

static void
stale_no_more(struct test *t)
{
	is_int(t->askers[0].reason, REASON_DNS_NOT_FOUND,
	    "a name that does not exist any more has none");
	t->sv.rcode = 2;
	ask(t, 0, "zero.test", AF_INET);
}

static void
stale_end(struct test *t)
{
	is_int(t->askers[0].reason, REASON_DNS_FAILED, "nor has it one later");
}

static void
test_stale_end(struct test *t)
{
	static void (*const steps[])(struct test *) = { stale_ask, stale_failed,
		stale_nx, stale_no_more, stale_end, NULL };

	test_open(t);
	t->conf.negative_ttl = 0;
	test_run(t, steps);
}

/* cancelling */

static void
hook_cancel_all(struct asker *asker)
{
	size_t i;

	for (i = 0; i < ASKERS; i++)
		cancel(asker->t, i);
}

static void
cancel_ask(struct test *t)
{
	size_t i;

	t->hook = hook_cancel_all;
	for (i = 0; i < 4; i++)
		ask(t, i, "a.test", AF_INET);
}

static unsigned
calls(const struct test *t)
{
	unsigned sum = 0;
	size_t i;

	for (i = 0; i < ASKERS; i++)
		sum += t->askers[i].calls;
	return (sum);
}

static void
cancel_before(struct test *t)
{
	is_int(calls(t), 1, "the first to be told cancels itself and all");
	t->hook = NULL;
	ask(t, 0, "twice.test", AF_INET);
	ask(t, 1, "twice.test", AF_INET);
	cancel(t, 0);
	cancel(t, 0);
}

static void
cancel_alone(struct test *t)
{
	is_int(calls(t), 2, "who cancelled is not told, the other is");
	ask(t, 0, "other.test", AF_INET);
	cancel(t, 0);
	ask(t, 1, "once.test", AF_INET); /* takes longer than the other */
}

static void
cancel_end(struct test *t)
{
	is_int(calls(t), 3, "a question that none waits for");
	ask(t, 0, "other.test", AF_INET);
	ok(t->askers[0].cached && has_a(&t->askers[0], 6),
	    "is answered for the next");
}

static void
test_cancel(struct test *t)
{
	static void (*const steps[])(struct test *) = { cancel_ask,
		cancel_before, cancel_alone, cancel_end, NULL };

	test_open(t);
	test_run(t, steps);
}

/* asking within a callback */

static void
hook_ask(struct asker *asker)
{
	struct test *t = asker->t;

	if (asker == &t->askers[0] && asker->calls == 1) {
		ask(t, 0, "zero.test", AF_INET); /* the same asker */
		cancel(t, 1);
		ask(t, 1, "zero.test", AF_INET);
		ask(t, 2, "a.test", AF_INET);
	}
}

static void
within_ask(struct test *t)
{
	t->hook = hook_ask;
	ask(t, 0, "zero.test", AF_INET);
}

static void
within_end(struct test *t)
{
	is_int(t->askers[0].calls, 2, "asked from its own callback: answered");
	ok(has_a(&t->askers[0], 3), "with what was asked for");
	is_int(t->askers[2].n, 2, "so is another name");
}

static void
test_within(struct test *t)
{
	static void (*const steps[])(
	    struct test *) = { within_ask, within_end, NULL };

	test_open(t);
	test_run(t, steps);
}

/* the end, with questions under way */

static void
end_ask(struct test *t)
{
	ask(t, 0, "drop.test", AF_INET);
	ask(t, 1, "drop.test", AF_INET6);
	ask(t, 2, "many.test", AF_INET);
	cancel(t, 0);
	cancel(t, 1);
	cancel(t, 2);
	ask(t, 0, "x.onion", AF_INET); /* c-ares answers it at once */
	cancel(t, 0);
	is_int(counted(t, STAT_DNS_QUERIES), 4,
	    "three questions are under "
	    "way, one is answered");
	loop_stop(t->steps.loop); /* before it is told */
}

static void
test_end(struct test *t)
{
	static void (*const steps[])(struct test *) = { end_ask, NULL };

	test_open(t);
	test_run(t, steps);
	is_int(calls(t), 0, "none is told");
}

/* hosts and what stands for them */

static void
hosts_ask(struct test *t)
{
	ask(t, 0, "box.test", AF_INET);
	ask(t, 1, "box.test", AF_INET6);
	ask(t, 2, "localhost", AF_INET);
	ask(t, 3, "db.localhost", AF_INET6);
	is_int(calls(t), 4, "all answered at once");
	ok(has_a(&t->askers[0], 99), "a name of the hosts file");
	ok(t->askers[0].cached, "without a question");
	is_int(t->askers[1].reason, REASON_DNS_NO_ADDRESS,
	    "has only what stands there");
	is_int(t->askers[2].addrs[0].ip[0], 127, "localhost is this host");
	is_int(t->askers[3].addrs[0].ip[15], 1, "and what is below it");
	is_int(t->sv.questions, 0, "no server was asked");
	ask(t, 4, "notlocalhost", AF_INET);
	is_int(calls(t), 4, "another name is asked for");
}

static void
test_hosts(struct test *t)
{
	static const char text[] = "192.0.2.99 box.test\n";
	static void (*const steps[])(struct test *) = { hosts_ask, NULL };

	test_open(t);
	is_int(hosts_new(&t->hosts, text, sizeof(text) - 1), 0, "hosts");
	test_run(t, steps);
}

/* too many questions */

static void
many_ask(struct test *t)
{
	ask(t, 0, "zero.test", AF_INET);
}

static void
many_full(struct test *t)
{
	char name[HOSTNAME_SIZE];
	unsigned i;

	t->sv.silent = true;
	for (i = 0; i < DNS_CHANNEL_QUESTIONS_MAX; i++) {
		snprintf(name, sizeof(name), "name-%u.test", i);
		ask(t, 1, name, AF_INET);
		cancel(t, 1);
	}
	is_int(t->askers[1].calls, 0, "so many are asked");
	ask(t, 1, "name-0.test", AF_INET);
	is_int(t->askers[1].calls, 0, "who may share a question waits");
	ask(t, 2, "a.test", AF_INET);
	is_int(t->askers[2].reason, REASON_DNS_FAILED, "another fails");
	ask(t, 0, "zero.test", AF_INET);
	ok(t->askers[0].stale && has_a(&t->askers[0], 3),
	    "or has what is out of date");
}

static void
many_end(struct test *t)
{
	is_int(t->askers[1].reason, REASON_DNS_TIMEOUT, "silence ends them");
	is_int(counted(t, STAT_DNS_QUERIES), DNS_CHANNEL_QUESTIONS_MAX + 1,
	    "no more was asked");
}

static void
test_many(struct test *t)
{
	static void (*const steps[])(
	    struct test *) = { many_ask, many_full, many_end, NULL };

	test_open(t);
	test_run(t, steps);
}

/* no descriptors */

static struct rlimit files;

static void
short_ask(struct test *t)
{
	struct rlimit none;

	is_int(getrlimit(RLIMIT_NOFILE, &files), 0, "the limit is read");
	none = files;
	none.rlim_cur = 3;
	is_int(setrlimit(RLIMIT_NOFILE, &none), 0, "no file can be opened");
	ask(t, 0, "a.test", AF_INET);
}

static void
short_over(struct test *t)
{
	is_int(setrlimit(RLIMIT_NOFILE, &files), 0, "and again");
	is_int(t->askers[0].reason, REASON_DNS_FAILED, "the look-up failed");
	is_int(t->sv.questions, 0, "nobody was asked");
	ask(t, 1, "a.test", AF_INET);
}

static void
short_end(struct test *t)
{
	is_int(t->askers[1].reason, REASON_NONE, "that is not remembered");
}

static void
test_short(struct test *t)
{
	static void (*const steps[])(
	    struct test *) = { short_ask, short_over, short_end, NULL };

	test_open(t);
	test_run(t, steps);
}

/* many who wait for one name */

#define CROWD 200

struct crowd {
	struct resolver_query query[CROWD];
	unsigned told, in_turn, most;
	int64_t turn;
};

static struct test *crowded;
static struct crowd crowd;

static void
crowd_cb(struct resolver_query *q, const struct resolver_answer *a)
{
	int64_t now = loop_now(crowded->steps.loop);

	crowd.in_turn = now == crowd.turn ? crowd.in_turn + 1 : 1;
	crowd.turn = now;
	if (crowd.in_turn > crowd.most)
		crowd.most = crowd.in_turn;
	crowd.told += a->reason == REASON_NONE;
	steps_answered(&crowded->steps);
}

static void
crowd_ask(struct test *t)
{
	unsigned i;

	t->steps.waiting += CROWD - 1;
	for (i = 0; i < CROWD - 1; i++)
		resolver_ask(
		    t->r, &crowd.query[i], "a.test", AF_INET, crowd_cb);
	/* Behind them all there is another question. */
	ask(t, 0, "zero.test", AF_INET);
}

static void
crowd_end(struct test *t)
{
	is_int(crowd.told, CROWD - 1, "all who wait for a name are told");
	ok(crowd.most <= 32, "%u of them in one turn at most", crowd.most);
	is_int(t->askers[0].calls, 1, "and so is who asked for another");
}

static void
test_crowd(struct test *t)
{
	static void (*const steps[])(
	    struct test *) = { crowd_ask, crowd_end, NULL };

	crowded = t;
	test_open(t);
	test_run(t, steps);
}

int
main(void)
{
	static struct test t;

	test_answers(&t);
	test_failures(&t);
	test_ttl(&t);
	test_stale(&t);
	test_stale_end(&t);
	test_cancel(&t);
	test_within(&t);
	test_end(&t);
	test_hosts(&t);
	test_many(&t);
	test_short(&t);
	test_crowd(&t);
	return (done_testing());
}
