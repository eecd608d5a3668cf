/* What is known of names goes from one worker's store to another's cache. */
#include "worker/dns/resolver_store.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/clock.h"
#include "common/base/fd.h"
#include "common/shm/store.h"
#include "t/unit/tap.h"

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

/* How many names, from one on, does a cache know? */
static unsigned
known(struct dns_cache *cache, unsigned from)
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
		n += naddrs == 4 && addrs[3].ip[3] == (uint8_t)i;
		dns_entry_release(cache, e);
	}
	return (n);
}

int
main(void)
{
	struct dns_cache *cache = new_cache(), *heir = new_cache();
	struct dns_store *store;
	int writer, reader;
	unsigned i;

	if (store_new("sniport-test", store_size(1), &writer, &reader) != 0 ||
	    dns_store_new(&store, writer) != 0) {
		printf("Bail out! no store\n");
		return (1);
	}
	for (i = 0; i < NAMES; i++)
		learn(store, cache, SERVERS, i);
	resolver_store_restore(heir, SERVERS, reader, S);
	is_int(known(heir, NAMES - 600), 600,
	    "what the cache has room for, through several fillings");
	is_int(dns_cache_count(heir), 600, "and no more");
	learn(store, cache, SERVERS + 1, 1);
	dns_cache_free(heir);
	heir = new_cache();
	resolver_store_restore(heir, SERVERS + 1, reader, S);
	is_int(dns_cache_count(heir), 1, "of other servers there is one");
	resolver_store_restore(heir, SERVERS, reader, S);
	is_int(dns_cache_count(heir), 1, "and of the former ones none");
	dns_cache_free(heir);
	dns_cache_free(cache);
	dns_store_free(store);
	fd_close(&writer);
	fd_close(&reader);
	return (done_testing());
}
