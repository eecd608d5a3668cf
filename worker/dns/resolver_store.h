/*
 * What a resolver leaves in its worker's store, and takes from those of others;
 * for resolver_kept.c alone. servers is the number of the name servers that are
 * asked, see dns_channel_servers().
 */
#ifndef WORKER_DNS_RESOLVER_STORE_H
#define WORKER_DNS_RESOLVER_STORE_H

#include <stddef.h>
#include <stdint.h>

#include "worker/dns/cache.h"
#include "worker/dns/store.h"

/* What there was no room for, when all was written. */
struct resolver_store_cut {
	size_t answers; /* left out, of those not used for longest */
	size_t addrs;	/* of each answer no more than that; 0: all */
};

/* Takes what stands in other workers' stores, whatever that is: of each what
 * was used last stays if there is too much. Nothing may be held. 0 or
 * -ENOMEM. */
int resolver_store_restore(struct dns_cache *, uint64_t servers,
    const int *readers, size_t n, int64_t now);

/* Writes all that the cache knows anew. */
struct resolver_store_cut resolver_store_rewrite(
    struct dns_store *, struct dns_cache *, uint64_t servers, int64_t now);

/* Adds an answer, which is in the cache; all is written anew where there is no
 * room. What was learnt of other servers is not for those who ask these. */
struct resolver_store_cut resolver_store_leave(struct dns_store *,
    struct dns_cache *, uint64_t servers, const struct dns_record *,
    int64_t now);

#endif
