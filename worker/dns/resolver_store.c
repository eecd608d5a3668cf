/* Takes over what former workers knew, and leaves what is known to others. */
#include "worker/dns/resolver_store.h"

#include <stdlib.h>

struct rewriting {
	struct dns_store *store;
	size_t total; /* of the records that there are */
	size_t left_out;
};

static void
count_cb(void *arg, const struct dns_key *key, const struct dns_result *result,
    int64_t expires)
{
	struct rewriting *w = arg;
	const struct dns_record r = { *key, *result, expires };

	w->total += dns_store_cost(&r);
}

static void
write_cb(void *arg, const struct dns_key *key, const struct dns_result *result,
    int64_t expires)
{
	struct rewriting *w = arg;
	const struct dns_record r = { *key, *result, expires };
	size_t cost = dns_store_cost(&r);

	if (w->left_out > 0)
		w->left_out = cost < w->left_out ? w->left_out - cost : 0;
	else
		(void)dns_store_put(w->store, &r);
}

/* A quarter stays free, for what is learnt then: what was not used for longest
 * is left out for it. */
void
resolver_store_rewrite(struct dns_store *store, struct dns_cache *cache,
    uint64_t servers, int64_t now)
{
	struct rewriting w = { .store = store };
	size_t most;

	dns_store_begin(store, servers);
	most = dns_store_room(store) / 4 * 3;
	dns_cache_walk(cache, now, count_cb, &w);
	w.left_out = w.total > most ? w.total - most : 0;
	dns_cache_walk(cache, now, write_cb, &w);
	dns_store_publish(store);
}

void
resolver_store_leave(struct dns_store *store, struct dns_cache *cache,
    uint64_t servers, const struct dns_record *record, int64_t now)
{
	if (servers != dns_store_servers(store)) {
		dns_store_begin(store, servers);
		dns_store_publish(store);
	}
	if (!dns_store_put(store, record))
		resolver_store_rewrite(store, cache, servers, now);
}

void
resolver_store_restore(
    struct dns_cache *cache, uint64_t servers, int reader, int64_t now)
{
	struct dns_record_read record;
	uint8_t *bytes;
	size_t len, at = 0;

	if (dns_store_copy(reader, servers, &bytes, &len) != 0)
		return;
	while (dns_store_read(bytes, len, &at, &record))
		dns_cache_restore(cache, &record.record.key,
		    &record.record.result, record.record.expires, now);
	free(bytes);
}
