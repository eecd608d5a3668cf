/*
 * The DNS cache: lifetimes, negative and stale answers, eviction, and entries
 * taken over from another worker.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/clock.h"
#include "t/unit/tap.h"
#include "worker/dns/cache.h"

#define S CLOCK_SEC

static const struct conf_dns usual = {
	.cache_size = 4,
	.min_ttl = 2 * S,
	.max_ttl = 100 * S,
	.negative_ttl = 5 * S,
	.stale = 50 * S,
};

static struct dns_cache *
new_cache(const struct conf_dns *conf)
{
	struct dns_cache *cache = NULL;

	is_int(dns_cache_new(&cache, conf), 0, "a cache is made");
	if (cache == NULL)
		exit(1);
	return (cache);
}

static struct dns_key
key(const char *name, int family)
{
	return ((struct dns_key){ .name = name, .family = family });
}

/* An answer of n addresses, the first of which ends in last. */
static struct dns_entry *
put_held(struct dns_cache *cache, struct dns_key k, uint8_t last, size_t n,
    int64_t ttl, int64_t now)
{
	struct addr addrs[8] = { 0 };
	struct dns_result result = {
		.addrs = addrs,
		.naddrs = n,
		.ttl = ttl,
	};
	size_t i;

	for (i = 0; i < n; i++) {
		addrs[i].family = (uint16_t)k.family;
		addrs[i].ip[0] = 192;
		addrs[i].ip[3] = (uint8_t)(last + i);
	}
	return (dns_cache_put(cache, &k, &result, now));
}

static void
put(struct dns_cache *cache, const char *name, uint8_t last, int64_t ttl,
    int64_t now)
{
	dns_entry_release(
	    cache, put_held(cache, key(name, AF_INET), last, 1, ttl, now));
}

static void
put_negative(
    struct dns_cache *cache, const char *name, enum reason reason, int64_t now)
{
	struct dns_key k = key(name, AF_INET);
	struct dns_result result = { .reason = reason };

	dns_entry_release(cache, dns_cache_put(cache, &k, &result, now));
}

static enum dns_cache_state
state(struct dns_cache *cache, const char *name, int64_t now)
{
	struct dns_key k = key(name, AF_INET);
	struct dns_entry *e;
	enum dns_cache_state s = dns_cache_find(cache, &k, now, &e);

	dns_entry_release(cache, e);
	return (s);
}

static void
test_answer(void)
{
	struct dns_cache *cache = new_cache(&usual);
	struct dns_key a = key("a.test", AF_INET);
	struct dns_key aaaa = key("a.test", AF_INET6);
	struct dns_entry *e;
	const struct addr *addrs;
	size_t n;

	is_int(state(cache, "a.test", 0), DNS_CACHE_NONE, "nothing at first");
	e = put_held(cache, a, 7, 3, 10 * S, 0);
	ok(e != NULL && dns_entry_reason(e) == REASON_NONE,
	    "what is put is returned");
	dns_entry_release(cache, e);
	is_int(
	    dns_cache_find(cache, &a, S, &e), DNS_CACHE_FRESH, "it is found");
	addrs = dns_entry_addrs(e, &n);
	is_int(n, 3, "all of its addresses");
	ok(n == 3 && addrs[2].ip[3] == 9 && addrs[0].ip[3] == 7,
	    "in their order");
	ok(!dns_entry_stale(e, S), "it is not stale");
	dns_entry_release(cache, e);
	is_int(dns_cache_find(cache, &aaaa, S, &e), DNS_CACHE_NONE,
	    "the other family is another question");
	ok(e == NULL, "and nothing is held");
	is_int(state(cache, "b.test", S), DNS_CACHE_NONE, "so is another name");
	is_int(state(cache, "a.tes", S), DNS_CACHE_NONE, "or half of a name");
	dns_cache_free(cache);
}

static void
test_ttl(void)
{
	struct dns_cache *cache = new_cache(&usual);

	put(cache, "a.test", 1, 10 * S, 0);
	is_int(state(cache, "a.test", 10 * S - 1), DNS_CACHE_FRESH,
	    "fresh until the TTL ends");
	is_int(state(cache, "a.test", 10 * S), DNS_CACHE_OLD, "then old");
	is_int(state(cache, "a.test", 60 * S - 1), DNS_CACHE_OLD,
	    "for the stale window");
	is_int(dns_cache_count(cache), 1, "where it is kept");
	is_int(state(cache, "a.test", 60 * S), DNS_CACHE_NONE, "then gone");
	is_int(dns_cache_count(cache), 0, "from memory, too");

	put(cache, "low.test", 1, 0, 0);
	is_int(state(cache, "low.test", 2 * S - 1), DNS_CACHE_FRESH,
	    "a TTL of 0 is raised to min_ttl");
	is_int(state(cache, "low.test", 2 * S), DNS_CACHE_OLD, "and no more");
	put(cache, "high.test", 1, CLOCK_NEVER, 0);
	is_int(state(cache, "high.test", 100 * S - 1), DNS_CACHE_FRESH,
	    "an endless TTL is lowered");
	is_int(state(cache, "high.test", 100 * S), DNS_CACHE_OLD, "to max_ttl");
	put(cache, "a.test", 1, 10 * S, 0);
	put(cache, "a.test", 2, 10 * S, 5 * S);
	is_int(state(cache, "a.test", 12 * S), DNS_CACHE_FRESH,
	    "a later answer has its own time");
	is_int(dns_cache_count(cache), 3, "and takes the place of the former");
	dns_cache_free(cache);
}

static void
test_negative(void)
{
	struct dns_cache *cache = new_cache(&usual);
	struct dns_key k = key("none.test", AF_INET);
	struct dns_entry *e;
	size_t n;

	put_negative(cache, "none.test", REASON_DNS_NOT_FOUND, 0);
	is_int(dns_cache_find(cache, &k, 5 * S - 1, &e), DNS_CACHE_FRESH,
	    "NXDOMAIN is remembered for negative_ttl");
	is_int(dns_entry_reason(e), REASON_DNS_NOT_FOUND, "as what it is");
	(void)dns_entry_addrs(e, &n);
	is_int(n, 0, "without addresses");
	ok(!dns_entry_stale(e, 100 * S), "and never is stale");
	dns_entry_release(cache, e);
	is_int(state(cache, "none.test", 5 * S), DNS_CACHE_NONE,
	    "it has no stale window");

	put(cache, "none.test", 1, 10 * S, 0);
	put_negative(cache, "none.test", REASON_DNS_NO_ADDRESS, 11 * S);
	is_int(state(cache, "none.test", 17 * S), DNS_CACHE_NONE,
	    "NODATA ends the addresses that were there");
	dns_cache_free(cache);
}

static void
test_failure(void)
{
	struct dns_cache *cache = new_cache(&usual);
	struct dns_key k = key("a.test", AF_INET);
	struct dns_entry *e;
	size_t n;

	e = dns_cache_fail(
	    cache, &k, &(struct dns_result){ .reason = REASON_DNS_TIMEOUT }, 0);
	is_int(dns_entry_reason(e), REASON_DNS_TIMEOUT, "a failure is one");
	dns_entry_release(cache, e);
	is_int(state(cache, "a.test", 5 * S - 1), DNS_CACHE_FRESH,
	    "it is remembered for negative_ttl");
	is_int(state(cache, "a.test", 5 * S), DNS_CACHE_NONE, "and no longer");

	put(cache, "a.test", 1, 10 * S, 0);
	e = dns_cache_fail(cache, &k,
	    &(struct dns_result){ .reason = REASON_DNS_FAILED }, 12 * S);
	is_int(dns_entry_reason(e), REASON_NONE, "old addresses do instead");
	(void)dns_entry_addrs(e, &n);
	is_int(n, 1, "all of them");
	ok(dns_entry_stale(e, 12 * S), "and are called stale");
	dns_entry_release(cache, e);
	is_int(dns_cache_find(cache, &k, 17 * S - 1, &e), DNS_CACHE_FRESH,
	    "for negative_ttl nobody is asked");
	ok(dns_entry_stale(e, 17 * S - 1), "they are stale still");
	dns_entry_release(cache, e);
	is_int(state(cache, "a.test", 17 * S), DNS_CACHE_OLD, "then again");
	dns_entry_release(cache,
	    dns_cache_fail(cache, &k,
		&(struct dns_result){ .reason = REASON_DNS_FAILED }, 58 * S));
	is_int(state(cache, "a.test", 60 * S - 1), DNS_CACHE_FRESH,
	    "a failure shortly before the stale window ends");
	is_int(state(cache, "a.test", 60 * S), DNS_CACHE_NONE,
	    "does not make it longer");
	put(cache, "a.test", 1, 10 * S, 0);
	e = dns_cache_fail(cache, &k,
	    &(struct dns_result){ .reason = REASON_DNS_FAILED }, 60 * S);
	is_int(dns_entry_reason(e), REASON_DNS_FAILED,
	    "a failure after it is one");
	dns_entry_release(cache, e);
	dns_cache_free(cache);
}

static void
test_eviction(void)
{
	struct dns_cache *cache = new_cache(&usual);

	put(cache, "1.test", 1, 10 * S, 0);
	put(cache, "2.test", 1, 10 * S, 0);
	put(cache, "3.test", 1, 10 * S, 0);
	put(cache, "4.test", 1, 10 * S, 0);
	is_int(state(cache, "1.test", S), DNS_CACHE_FRESH, "four have room");
	put(cache, "5.test", 1, 10 * S, S);
	is_int(dns_cache_count(cache), 4, "not five");
	is_int(state(cache, "2.test", S), DNS_CACHE_NONE,
	    "the one not used for longest went");
	is_int(state(cache, "1.test", S), DNS_CACHE_FRESH,
	    "not the one put first, but used since");
	dns_cache_free(cache);
}

static void
test_held(void)
{
	struct dns_cache *cache = new_cache(&usual);
	struct dns_key k = key("held.test", AF_INET);
	struct dns_entry *held, *again;
	const struct addr *addrs;
	char name[32];
	size_t n;
	int i;

	held = put_held(cache, k, 1, 2, 10 * S, 0);
	for (i = 0; i < 10; i++) {
		snprintf(name, sizeof(name), "%d.test", i);
		put(cache, name, 1, 10 * S, 0);
	}
	is_int(dns_cache_count(cache), 4, "ten others came");
	is_int(state(cache, "held.test", S), DNS_CACHE_FRESH,
	    "a held entry is not evicted");
	again = put_held(cache, k, 5, 1, 10 * S, S);
	addrs = dns_entry_addrs(held, &n);
	ok(n == 2 && addrs[1].ip[3] == 2,
	    "nor changed by a new answer to its question");
	dns_entry_release(cache, held);
	addrs = dns_entry_addrs(again, &n);
	ok(n == 1 && addrs[0].ip[3] == 5, "which is another");
	is_int(dns_cache_find(cache, &k, 100 * S, &held), DNS_CACHE_NONE,
	    "an expired entry is not found");
	addrs = dns_entry_addrs(again, &n);
	ok(n == 1 && addrs[0].ip[3] == 5, "though who holds it has it");
	dns_entry_release(cache, again);
	dns_cache_free(cache);
}

/* What fails for want of something of our own says nothing of the name. */
static void
test_shortage(void)
{
	struct dns_cache *cache = new_cache(&usual);
	struct dns_key k = key("a.test", AF_INET);
	struct dns_result failure = { .reason = REASON_DNS_FAILED,
		.detail = "Too many open files",
		.shortage = true };
	struct dns_entry *e = dns_cache_fail(cache, &k, &failure, 0);
	size_t n;

	ok(e != NULL && dns_entry_reason(e) == REASON_DNS_FAILED,
	    "a shortage is an answer");
	is_str(dns_entry_detail(e), "Too many open files", "with its words");
	is_int(state(cache, "a.test", 0), DNS_CACHE_NONE,
	    "that is not remembered");
	dns_entry_release(cache, e);
	is_int(dns_cache_count(cache), 0, "nor kept");
	put(cache, "a.test", 1, 10 * S, 0);
	e = dns_cache_fail(cache, &k, &failure, 20 * S);
	(void)dns_entry_addrs(e, &n);
	ok(n == 1 && dns_entry_stale(e, 20 * S), "stale addresses are used");
	dns_entry_release(cache, e);
	is_int(state(cache, "a.test", 20 * S), DNS_CACHE_OLD,
	    "and the next one asks again");
	dns_cache_free(cache);
}

static void
test_sizes(void)
{
	struct conf_dns conf = usual;
	struct dns_key aaaa = key("a.test", AF_INET6);
	struct dns_cache *cache;
	struct dns_entry *e;
	size_t n;

	conf.cache_size = 0;
	cache = new_cache(&conf);
	e = put_held(cache, key("a.test", AF_INET), 1, 1, 10 * S, 0);
	(void)dns_entry_addrs(e, &n);
	is_int(n, 1, "of size 0 it has an answer for who asked");
	dns_entry_release(cache, e);
	is_int(
	    state(cache, "a.test", 0), DNS_CACHE_NONE, "and for no one else");
	is_int(dns_cache_count(cache), 0, "and keeps nothing");
	dns_cache_free(cache);

	conf = usual;
	conf.cache_size = 1; /* all in one bucket */
	cache = new_cache(&conf);
	put(cache, "a.test", 1, 10 * S, 0);
	is_int(dns_cache_find(cache, &aaaa, 0, &e), DNS_CACHE_NONE,
	    "of size 1 it knows a family from the other");
	is_int(state(cache, "a.test", 0), DNS_CACHE_FRESH, "still");
	dns_entry_release(cache, put_held(cache, aaaa, 1, 1, 10 * S, 0));
	is_int(state(cache, "a.test", 0), DNS_CACHE_FRESH,
	    "both families of a name have one place");
	is_int(dns_cache_count(cache), 2, "they are two answers");
	put(cache, "b.test", 1, 10 * S, 0);
	is_int(
	    state(cache, "a.test", 0), DNS_CACHE_NONE, "another name takes it");
	is_int(dns_cache_count(cache), 1, "from both");
	dns_cache_free(cache);

	conf = usual;
	conf.max_ttl = conf.stale = conf.negative_ttl = 0;
	cache = new_cache(&conf);
	put(cache, "a.test", 1, 10 * S, 0);
	is_int(state(cache, "a.test", 0), DNS_CACHE_NONE,
	    "a max_ttl of 0 is the stronger one");
	put_negative(cache, "a.test", REASON_DNS_NOT_FOUND, 0);
	is_int(state(cache, "a.test", 0), DNS_CACHE_NONE,
	    "a negative_ttl of 0 remembers no failure");
	dns_cache_free(cache);
}

/* What other caches have left. */

static void
restore(struct dns_cache *cache, const char *name, enum reason reason,
    int64_t expires, int64_t now)
{
	const struct addr addr = { .family = AF_INET, .ip = { 192, 0, 2, 1 } };
	const struct dns_key k = key(name, AF_INET);
	const struct dns_result result = {
		.reason = reason,
		.addrs = &addr,
		.naddrs = reason == REASON_NONE,
	};

	dns_cache_restore(cache, &k, &result, expires, now);
}

static void
walk_cb(void *arg, const struct dns_key *k, const struct dns_result *result,
    int64_t expires)
{
	char *text = arg;

	snprintf(text + strlen(text), 200 - strlen(text), "%s%s %zu %d",
	    *text == '\0' ? "" : ", ", k->name, result->naddrs,
	    (int)(expires / S));
}

static void
test_restore(void)
{
	struct conf_dns conf = usual;
	struct dns_cache *cache;
	char text[200] = "";

	conf.cache_size = 4;
	conf.max_ttl = 100 * S;
	cache = new_cache(&conf);
	restore(cache, "good.test", REASON_NONE, 20 * S, 10 * S);
	is_int(state(cache, "good.test", 20 * S - 1), DNS_CACHE_FRESH,
	    "an answer is good until it said");
	is_int(state(cache, "good.test", 20 * S), DNS_CACHE_OLD, "then stale");
	restore(cache, "good.test", REASON_NONE, 19 * S, 10 * S);
	is_int(state(cache, "good.test", 20 * S - 1), DNS_CACHE_FRESH,
	    "one that is older changes nothing");
	restore(cache, "stale.test", REASON_NONE, 5 * S, 10 * S);
	is_int(state(cache, "stale.test", 10 * S), DNS_CACHE_OLD,
	    "one that is over may be a fallback");
	restore(cache, "over.test", REASON_NONE, 1, 100 * S);
	is_int(state(cache, "over.test", 100 * S), DNS_CACHE_NONE,
	    "but not for ever");
	restore(cache, "long.test", REASON_NONE, INT64_MAX, 10 * S);
	is_int(state(cache, "long.test", 110 * S - 1), DNS_CACHE_FRESH,
	    "no longer than max_ttl");
	is_int(state(cache, "long.test", 110 * S), DNS_CACHE_OLD, "is any");
	restore(cache, "gone.test", REASON_DNS_NOT_FOUND, INT64_MAX, 10 * S);
	is_int(state(cache, "gone.test", 15 * S - 1), DNS_CACHE_FRESH,
	    "nor than negative_ttl");
	is_int(state(cache, "gone.test", 15 * S), DNS_CACHE_NONE, "is none");
	restore(cache, "died.test", REASON_NONE, 5 * S, 10 * S);
	restore(cache, "died.test", REASON_DNS_NOT_FOUND, 6 * S, 10 * S);
	is_int(state(cache, "died.test", 10 * S), DNS_CACHE_NONE,
	    "what is gone had its addresses before that");
	restore(cache, "fail.test", REASON_DNS_FAILED, 20 * S, 10 * S);
	is_int(state(cache, "fail.test", 10 * S), DNS_CACHE_NONE,
	    "a failure is no answer");
	restore(cache, "five.test", REASON_NONE, 20 * S, 10 * S);
	restore(cache, "six.test", REASON_NONE, 20 * S, 10 * S);
	is_int(dns_cache_count(cache), 4, "the size is a bound for these too");
	dns_cache_walk(cache, 12 * S, walk_cb, text);
	is_str(text,
	    "stale.test 1 5, long.test 1 110, five.test 1 20, six.test 1 20",
	    "they are told of in the order of their use");
	dns_cache_free(cache);
}

static void
test_endless(void)
{
	struct conf_dns conf = usual;
	struct dns_cache *cache;

	conf.max_ttl = conf.stale = CLOCK_NEVER;
	cache = new_cache(&conf);
	put(cache, "a.test", 1, CLOCK_NEVER, 100 * S);
	is_int(state(cache, "a.test", CLOCK_NEVER - 1), DNS_CACHE_FRESH,
	    "times do not overflow");
	dns_cache_free(cache);
	dns_cache_free(NULL);
}

int
main(void)
{
	test_answer();
	test_ttl();
	test_negative();
	test_failure();
	test_eviction();
	test_held();
	test_restore();
	test_sizes();
	test_shortage();
	test_endless();
	return (done_testing());
}
