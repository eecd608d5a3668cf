/*
 * What name servers said, per name and family, for as long as it may be
 * believed. Pure: the time is passed in, and nobody is asked.
 */
#ifndef WORKER_DNS_CACHE_H
#define WORKER_DNS_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/conf/conf.h"
#include "common/net/addr.h"
#include "common/reason.h"

struct dns_cache;

/* One answer, held by who got it from the cache until dns_entry_release(). A
 * held entry is neither evicted nor freed, and its addresses do not change. */
struct dns_entry;

struct dns_key {
	const char *name; /* canonical */
	int family;	  /* AF_INET, AF_INET6 */
};

/* What a server said. */
struct dns_result {
	enum reason reason;	  /* NONE, DNS_NOT_FOUND or DNS_NO_ADDRESS */
	const struct addr *addrs; /* NONE: at least one */
	size_t naddrs;
	int64_t ttl;	    /* ns, as served; of NONE alone */
	const char *detail; /* what the servers said that failed; may be NULL */
	bool shortage;	    /* it failed because we lacked something */
};

enum dns_cache_state {
	DNS_CACHE_NONE,	 /* nothing is known: ask */
	DNS_CACHE_FRESH, /* answer with the entry */
	DNS_CACHE_OLD	 /* ask; the entry is for the case that servers fail */
};

/*
 * Bounds and times are copied from conf: cache_size, min_ttl, max_ttl,
 * negative_ttl, stale. Both families of a name have one place. 0 or -errno.
 */
int dns_cache_new(struct dns_cache **, const struct conf_dns *);

/* No entry may be held. */
void dns_cache_free(struct dns_cache *);

/* What is known now. *held is set, and held, unless the state is NONE. */
enum dns_cache_state dns_cache_find(struct dns_cache *, const struct dns_key *,
    int64_t now, struct dns_entry **held);

/*
 * Remembers an answer in place of what was known, and returns it held; NULL:
 * no memory, and what was known stays. Where there is no room the entry that
 * was not used for longest goes.
 */
struct dns_entry *dns_cache_put(struct dns_cache *, const struct dns_key *,
    const struct dns_result *, int64_t now);

/*
 * Remembers for negative_ttl that the servers failed (DNS_TIMEOUT,
 * DNS_FAILED), and returns what to answer, held: addresses that expired less
 * than `stale` ago (RFC 8767), or the failure. A shortage is not remembered:
 * it says nothing of the name. NULL: no memory.
 */
struct dns_entry *dns_cache_fail(struct dns_cache *, const struct dns_key *,
    const struct dns_result *, int64_t now);

/*
 * Takes over what another cache knew: an answer until that time, within the
 * bounds of this one, in place of one whose time is over no later. Nothing may
 * be held.
 */
void dns_cache_restore(struct dns_cache *, const struct dns_key *,
    const struct dns_result *, int64_t expires, int64_t now);

/* Calls back for each answer (no failure) that may serve still, the one that
 * was not used for longest first; those that are held come last. */
void dns_cache_walk(struct dns_cache *, int64_t now,
    void (*cb)(void *arg, const struct dns_key *, const struct dns_result *,
	int64_t expires),
    void *arg);

/* When an answer's time is over. */
int64_t dns_entry_expires(const struct dns_entry *);

/* Entries, held ones included. */
size_t dns_cache_count(const struct dns_cache *);

/* NULL is let pass. */
void dns_entry_release(struct dns_cache *, struct dns_entry *);

enum reason dns_entry_reason(const struct dns_entry *);

/* What the servers said; NULL: nothing. Borrowed, as what follows, as long as
 * the entry is held. */
const char *dns_entry_detail(const struct dns_entry *);

const struct addr *dns_entry_addrs(const struct dns_entry *, size_t *n);

/* Are these addresses out of date? */
bool dns_entry_stale(const struct dns_entry *, int64_t now);

#endif
