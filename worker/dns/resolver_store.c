/* Takes over what former workers knew, and leaves what is known to others. */
#include "worker/dns/resolver_store.h"

#include <errno.h>
#include <stdlib.h>

#include "worker/dns/store_read.h"

/* leaving */

struct rewriting {
	struct dns_store *store;
	size_t addrs; /* of an answer at most */
	size_t total; /* bytes of the records that there are */
	size_t over;  /* bytes of it that there is no room for */
	size_t left_out;
};

/* As much of an answer as is its part. */
static struct dns_record
part_of(const struct rewriting *w, const struct dns_key *key,
    const struct dns_result *result, int64_t expires)
{
	struct dns_record r = { *key, *result, expires };

	if (r.result.naddrs > w->addrs)
		r.result.naddrs = w->addrs;
	return (r);
}

static void
count_cb(void *arg, const struct dns_key *key, const struct dns_result *result,
    int64_t expires)
{
	struct rewriting *w = arg;
	const struct dns_record r = part_of(w, key, result, expires);

	w->total += dns_store_cost(&r);
}

static void
write_cb(void *arg, const struct dns_key *key, const struct dns_result *result,
    int64_t expires)
{
	struct rewriting *w = arg;
	const struct dns_record r = part_of(w, key, result, expires);
	size_t cost = dns_store_cost(&r);

	if (w->over > 0) {
		w->over = cost < w->over ? w->over - cost : 0;
		w->left_out++;
	} else if (!dns_store_put(w->store, &r)) {
		w->left_out++;
	}
}

/*
 * A quarter stays free, for what is learnt then. Where there is no room for all
 * of the rest, long answers give way before any name does, and then what was
 * not used for longest.
 */
struct resolver_store_cut
resolver_store_rewrite(struct dns_store *store, struct dns_cache *cache,
    uint64_t servers, int64_t now)
{
	struct rewriting w = { .store = store, .addrs = DNS_MESSAGE_ADDRS_MAX };
	size_t most;

	dns_store_begin(store, servers);
	most = dns_store_room(store) / 4 * 3;
	dns_cache_walk(cache, now, count_cb, &w);
	while (w.total > most && w.addrs > 1) {
		w.addrs /= 2;
		w.total = 0;
		dns_cache_walk(cache, now, count_cb, &w);
	}
	w.over = w.total > most ? w.total - most : 0;
	dns_cache_walk(cache, now, write_cb, &w);
	dns_store_publish(store);
	return ((struct resolver_store_cut){
	    w.left_out, w.addrs < DNS_MESSAGE_ADDRS_MAX ? w.addrs : 0 });
}

struct resolver_store_cut
resolver_store_leave(struct dns_store *store, struct dns_cache *cache,
    uint64_t servers, const struct dns_record *record, int64_t now)
{
	if (servers != dns_store_servers(store)) {
		dns_store_begin(store, servers);
		dns_store_publish(store);
	}
	if (dns_store_put(store, record))
		return ((struct resolver_store_cut){ 0, 0 });
	return (resolver_store_rewrite(store, cache, servers, now));
}

/* taking over */

/* A copy of a store. */
struct heritage {
	uint8_t *bytes;
	size_t len, at;
	size_t left; /* records, from there on */
};

static void
open_heritage(struct heritage *h, uint64_t servers, int reader)
{
	struct dns_record_read record;
	size_t at = 0;

	*h = (struct heritage){ .bytes = NULL };
	if (dns_store_copy(reader, servers, &h->bytes, &h->len) != 0)
		return;
	while (dns_store_read(h->bytes, h->len, &at, &record))
		h->left++;
}

static void
take_one(struct heritage *h, struct dns_cache *cache, int64_t now)
{
	struct dns_record_read record;

	h->left--;
	if (dns_store_read(h->bytes, h->len, &h->at, &record))
		dns_cache_restore(cache, &record.record.key,
		    &record.record.result, record.record.expires, now);
}

/* The last of each come last, since these are what was used last. */
int
resolver_store_restore(struct dns_cache *cache, uint64_t servers,
    const int *readers, size_t n, int64_t now)
{
	struct heritage *all = calloc(n + 1, sizeof(*all));
	size_t i, left = 0;

	if (all == NULL)
		return (-ENOMEM);
	for (i = 0; i < n; i++) {
		open_heritage(&all[i], servers, readers[i]);
		if (all[i].left > left)
			left = all[i].left;
	}
	for (; left > 0; left--)
		for (i = 0; i < n; i++)
			if (all[i].left == left)
				take_one(&all[i], cache, now);
	for (i = 0; i < n; i++)
		free(all[i].bytes);
	free(all);
	return (0);
}
