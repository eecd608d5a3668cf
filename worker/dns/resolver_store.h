/*
 * What a resolver leaves in its worker's store, and takes from those of others;
 * for resolver.c alone. servers is the number of the name servers that are
 * asked, see dns_channel_servers().
 */
#ifndef WORKER_DNS_RESOLVER_STORE_H
#define WORKER_DNS_RESOLVER_STORE_H

#include <stdint.h>

#include "worker/dns/cache.h"
#include "worker/dns/store.h"

/* Takes what stands in another worker's store, whatever that is. Nothing may
 * be held. */
void resolver_store_restore(
    struct dns_cache *, uint64_t servers, int reader, int64_t now);

/* Writes all that the cache knows anew. */
void resolver_store_rewrite(
    struct dns_store *, struct dns_cache *, uint64_t servers, int64_t now);

/* Adds an answer, which is in the cache. What was learnt of other servers is
 * not for those who ask these. */
void resolver_store_leave(struct dns_store *, struct dns_cache *,
    uint64_t servers, const struct dns_record *, int64_t now);

#endif
