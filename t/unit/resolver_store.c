/* What is known of names goes from one worker's store to another's cache. */
#include "worker/dns/resolver_store.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/clock.h"
#include "common/base/fd.h"
#include "common/shm/store.h"
#include "t/unit/tap.h"
#include "worker/dns/message.h"

#define S	CLOCK_SEC
#define SERVERS 7
#define NAMES	5000

static const struct conf_dns conf = {
	.cache_size = 600,
	.max_ttl = 3600 * S,
	.negative_ttl = 5 * S,
	.stale = 300 * S,
};

static struct dns_cache *
new_cache(void)
{
	struct dns_cache *cache;

	if (dns_cache_new(&cache, &conf) != 0) {
		printf("Bail out! no cache\n");
		exit(1);
	}
	return (cache);
}

static struct dns_key
key(char name[64], unsigned i)
{
	snprintf(name, 64, "name-%u.example.com", i);
	return ((struct dns_key){ name, AF_INET });
}

/* An answer that is learnt at that second. */
static void
learn(struct dns_store *store, struct dns_cache *cache, uint64_t servers,
    unsigned i)
{
	struct addr addrs[4] = { { 0 } };
	struct dns_result result = {
		.addrs = addrs,
		.naddrs = 4,
		.ttl = 600 * S,
	};
	struct dns_entry *e;
	char name[64];
	struct dns_key k = key(name, i);
	unsigned n;

	for (n = 0; n < 4; n++)
		addrs[n] = (struct addr){ .family = AF_INET,
			.ip = { 192, 0, (uint8_t)n, (uint8_t)i } };
	e = dns_cache_put(cache, &k, &result, S);
	resolver_store_leave(store, cache, servers,
	    &(struct dns_record){ k, result, dns_entry_expires(e) }, S);
	dns_entry_release(cache, e);
}

/* How many names, from one on, does a cache know, with so many addresses? */
static unsigned
known(struct dns_cache *cache, unsigned from, size_t least)
{
	struct dns_entry *e;
	unsigned i, n = 0;
	const struct addr *addrs;
	char name[64];
	struct dns_key k;
	size_t naddrs;

	for (i = from; i < NAMES; i++) {
		k = key(name, i);
		if (dns_cache_find(cache, &k, S, &e) != DNS_CACHE_FRESH)
			continue;
		addrs = dns_entry_addrs(e, &naddrs);
		n += naddrs >= least && addrs[naddrs - 1].ip[3] == (uint8_t)i;
		dns_entry_release(cache, e);
	}
	return (n);
}

static struct dns_store *
new_store(int64_t names, int *writer, int *reader)
{
	struct dns_store *store;

	if (store_new("sniport-test", store_size(names), writer, reader) != 0 ||
	    dns_store_new(&store, *writer) != 0) {
		printf("Bail out! no store\n");
		exit(1);
	}
	return (store);
}

/* One who looks up names with long answers. */
static void
learn_fat(struct dns_store *store, struct dns_cache *cache, unsigned i,
    struct resolver_store_cut *most)
{
	struct addr addrs[DNS_MESSAGE_ADDRS_MAX] = { { 0 } };
	struct dns_result result = {
		.addrs = addrs,
		.naddrs = DNS_MESSAGE_ADDRS_MAX,
		.ttl = 600 * S,
	};
	struct resolver_store_cut cut;
	struct dns_entry *e;
	char name[64];
	struct dns_key k = { name, AF_INET6 };
	unsigned n;

	snprintf(name, sizeof(name), "fat-%u.example.com", i);
	for (n = 0; n < DNS_MESSAGE_ADDRS_MAX; n++)
		addrs[n] = (struct addr){ .family = AF_INET6,
			.ip = { 0x20, 1, (uint8_t)n } };
	e = dns_cache_put(cache, &k, &result, S);
	cut = resolver_store_leave(store, cache, SERVERS,
	    &(struct dns_record){ k, result, dns_entry_expires(e) }, S);
	if (cut.answers > most->answers)
		most->answers = cut.answers;
	if (cut.addrs != 0)
		most->addrs = cut.addrs;
	dns_entry_release(cache, e);
}

static void
test_fair(void)
{
	struct dns_cache *cache = new_cache(), *heir = new_cache();
	struct resolver_store_cut cut = { 0, 0 };
	int writer, reader;
	struct dns_store *store = new_store(1, &writer, &reader);
	unsigned i;

	for (i = NAMES - 50; i < NAMES; i++)
		learn(store, cache, SERVERS, i);
	for (i = 0; i < 500; i++)
		learn_fat(store, cache, i, &cut);
	resolver_store_restore(heir, SERVERS, &reader, 1, S);
	is_int(known(heir, NAMES - 50, 1), 50,
	    "no name is forgotten for the long answers of others");
	is_int(dns_cache_count(heir), 550, "which are left as well");
	is_int(cut.answers, 0, "nothing was left out");
	ok(cut.addrs > 0 && cut.addrs < DNS_MESSAGE_ADDRS_MAX,
	    "but some of their addresses: %zu are kept", cut.addrs);
	dns_cache_free(heir);
	dns_cache_free(cache);
	dns_store_free(store);
	fd_close(&writer);
	fd_close(&reader);
}

/* Two workers, each of which knows as much as one has room for. */
static void
test_two(void)
{
	struct dns_cache *caches[2] = { new_cache(), new_cache() };
	struct dns_cache *heir = new_cache();
	struct dns_store *stores[2];
	int writers[2], readers[2];
	unsigned i, w;

	for (w = 0; w < 2; w++) {
		stores[w] = new_store(600, &writers[w], &readers[w]);
		for (i = 0; i < 600; i++)
			learn(stores[w], caches[w], SERVERS, 1000 * w + i);
	}
	resolver_store_restore(heir, SERVERS, readers, 2, S);
	is_int(known(heir, 0, 4), 600, "of two there is as much as one knew");
	is_int(known(heir, 1000, 4), 300,
	    "half of it is what the second one learnt last");
	for (w = 0; w < 2; w++) {
		dns_cache_free(caches[w]);
		dns_store_free(stores[w]);
		fd_close(&writers[w]);
		fd_close(&readers[w]);
	}
	dns_cache_free(heir);
}

int
main(void)
{
	struct dns_cache *cache = new_cache(), *heir = new_cache();
	int writer, reader;
	struct dns_store *store = new_store(1, &writer, &reader);
	unsigned i;

	for (i = 0; i < NAMES; i++)
		learn(store, cache, SERVERS, i);
	resolver_store_restore(heir, SERVERS, &reader, 1, S);
	is_int(known(heir, NAMES - 600, 4), 600,
	    "what the cache has room for, through several fillings");
	is_int(dns_cache_count(heir), 600, "and no more");
	learn(store, cache, SERVERS + 1, 1);
	dns_cache_free(heir);
	heir = new_cache();
	resolver_store_restore(heir, SERVERS + 1, &reader, 1, S);
	is_int(dns_cache_count(heir), 1, "of other servers there is one");
	resolver_store_restore(heir, SERVERS, &reader, 1, S);
	is_int(dns_cache_count(heir), 1, "and of the former ones none");
	dns_cache_free(heir);
	dns_cache_free(cache);
	dns_store_free(store);
	fd_close(&writer);
	fd_close(&reader);
	test_fair();
	test_two();
	return (done_testing());
}
