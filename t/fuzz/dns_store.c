/*
 * What another worker may have left: what is read of it is well-formed, and is
 * written as it was read.
 */
#include <assert.h>
#include <netinet/in.h>
#include <string.h>

#include "common/base/clock.h"
#include "worker/dns/store_read.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(const struct dns_record_read *r)
{
	const struct dns_result *result = &r->record.result;
	char name[HOSTNAME_SIZE];
	size_t i;

	assert(r->record.key.name == r->name);
	assert(hostname_canonical(name, r->name, strlen(r->name)) > 0);
	assert(strcmp(name, r->name) == 0);
	assert(r->record.key.family == AF_INET ||
	       r->record.key.family == AF_INET6);
	assert((result->reason == REASON_NONE) == (result->naddrs > 0));
	assert(result->naddrs <= DNS_MESSAGE_ADDRS_MAX);
	assert(r->record.expires >= 0);
	for (i = 0; i < result->naddrs; i++) {
		assert(result->addrs[i].family == r->record.key.family);
		assert(result->addrs[i].port == 0);
	}
}

/* Into a cache, as a new worker does. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct conf_dns conf = {
		.cache_size = 8,
		.max_ttl = 3600 * CLOCK_SEC,
		.negative_ttl = 5 * CLOCK_SEC,
		.stale = 300 * CLOCK_SEC,
	};
	struct dns_record_read r;
	struct dns_cache *cache;
	size_t at = 0, before = 0;

	if (dns_cache_new(&cache, &conf) != 0)
		return (0);
	while (dns_store_read(data, size, &at, &r)) {
		assert(at > before && at <= size);
		assert(at - before == dns_store_cost(&r.record));
		before = at;
		check(&r);
		dns_cache_restore(cache, &r.record.key, &r.record.result,
		    r.record.expires, 1000 * CLOCK_SEC);
		assert(dns_cache_count(cache) <= 2 * 8);
	}
	assert(at == before);
	dns_cache_free(cache);
	return (0);
}
