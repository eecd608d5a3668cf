/*
 * The cache of answers: a bounded hash table in which the least recently used
 * makes room.
 */
#include "worker/dns/cache.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "common/base/clock.h"
#include "common/base/hash.h"

/* More buckets than that (8 MiB) would not make it faster. */
#define BUCKETS_MAX ((size_t)1 << 20)

LIST_HEAD(bucket, dns_entry);
TAILQ_HEAD(lru, dns_entry);

struct dns_entry {
	LIST_ENTRY(dns_entry) chain; /* while linked */
	TAILQ_ENTRY(dns_entry) use;  /* while linked and not held */
	size_t held;
	bool linked; /* to be found; else it goes when it is released */
	enum reason reason;
	int family;
	int64_t fresh;	 /* until then it answers */
	int64_t expires; /* the addresses are stale from then on */
	const char *name, *detail;
	size_t naddrs;
	struct addr addrs[]; /* the texts' bytes follow */
};

struct dns_cache {
	struct hash_key key; /* peers choose names below a wildcard */
	int64_t min_ttl, max_ttl, negative_ttl, stale;
	size_t size, names; /* so many at most; so many there are */
	size_t count;
	size_t mask; /* number of buckets - 1 */
	struct lru lru;
	struct bucket buckets[];
};

int
dns_cache_new(struct dns_cache **out, const struct conf_dns *conf)
{
	struct dns_cache *cache;
	size_t size = conf->cache_size > 0 ? (size_t)conf->cache_size : 0;
	size_t n = 1;
	int error;

	while (n < size && n < BUCKETS_MAX)
		n *= 2;
	cache = calloc(1, sizeof(*cache) + n * sizeof(cache->buckets[0]));
	if (cache == NULL)
		return (-ENOMEM);
	error = hash_key_init(&cache->key);
	if (error != 0) {
		free(cache);
		return (error);
	}
	cache->min_ttl = conf->min_ttl;
	cache->max_ttl = conf->max_ttl;
	cache->negative_ttl = conf->negative_ttl;
	cache->stale = conf->stale;
	cache->size = size;
	cache->mask = n - 1;
	TAILQ_INIT(&cache->lru); /* zeroed buckets are empty lists */
	*out = cache;
	return (0);
}

/* Never beyond CLOCK_NEVER, however long the configured span. */
static int64_t
later(int64_t now, int64_t span)
{
	int64_t sum;

	if (__builtin_add_overflow(now, span, &sum))
		return (CLOCK_NEVER);
	return (sum);
}

/* Both families of a name share one. */
static struct bucket *
find_bucket(struct dns_cache *cache, const char *name)
{
	uint64_t hash = hash_bytes(&cache->key, name, strlen(name));

	return (&cache->buckets[hash & cache->mask]);
}

static struct dns_entry *
find_entry(struct dns_cache *cache, const struct dns_key *key)
{
	struct dns_entry *e;

	LIST_FOREACH (e, find_bucket(cache, key->name), chain) {
		if (e->family == key->family && strcmp(e->name, key->name) == 0)
			return (e);
	}
	return (NULL);
}

/* Is the name's other family there, which has its place with it? */
static bool
has_sibling(struct dns_cache *cache, const struct dns_entry *e)
{
	const struct dns_key other = {
		.name = e->name,
		.family = e->family == AF_INET ? AF_INET6 : AF_INET,
	};

	return (find_entry(cache, &other) != NULL);
}

/* To be found no more; freed now, or when the last holder releases it. */
static void
unlink_entry(struct dns_cache *cache, struct dns_entry *e)
{
	LIST_REMOVE(e, chain);
	e->linked = false;
	cache->count--;
	if (!has_sibling(cache, e))
		cache->names--;
	if (e->held != 0)
		return;
	TAILQ_REMOVE(&cache->lru, e, use);
	free(e);
}

/* Held entries are not in the list, so they stay even beyond the bound. */
static void
evict(struct dns_cache *cache)
{
	while (cache->names > cache->size && !TAILQ_EMPTY(&cache->lru))
		unlink_entry(cache, TAILQ_LAST(&cache->lru, lru));
}

static struct dns_entry *
hold(struct dns_cache *cache, struct dns_entry *e)
{
	if (e->held++ == 0)
		TAILQ_REMOVE(&cache->lru, e, use);
	return (e);
}

void
dns_entry_release(struct dns_cache *cache, struct dns_entry *e)
{
	if (e == NULL || --e->held != 0)
		return;
	if (!e->linked) {
		free(e);
		return;
	}
	TAILQ_INSERT_HEAD(&cache->lru, e, use);
	evict(cache);
}

void
dns_cache_free(struct dns_cache *cache)
{
	struct dns_entry *e;

	if (cache == NULL)
		return;
	while ((e = TAILQ_FIRST(&cache->lru)) != NULL)
		unlink_entry(cache, e);
	assert(cache->count == 0);
	free(cache);
}

/* Would the addresses do if the servers failed now? */
static bool
is_fallback(
    const struct dns_cache *cache, const struct dns_entry *e, int64_t now)
{
	return (e->naddrs != 0 && now < later(e->expires, cache->stale));
}

enum dns_cache_state
dns_cache_find(struct dns_cache *cache, const struct dns_key *key, int64_t now,
    struct dns_entry **held)
{
	struct dns_entry *e = find_entry(cache, key);

	*held = NULL;
	if (e == NULL)
		return (DNS_CACHE_NONE);
	if (now < e->fresh) {
		*held = hold(cache, e);
		return (DNS_CACHE_FRESH);
	}
	if (is_fallback(cache, e, now)) {
		*held = hold(cache, e);
		return (DNS_CACHE_OLD);
	}
	unlink_entry(cache, e);
	return (DNS_CACHE_NONE);
}

static bool
is_answer(enum reason reason)
{
	return (reason == REASON_NONE || reason == REASON_DNS_NOT_FOUND ||
		reason == REASON_DNS_NO_ADDRESS);
}

/* May it serve, or be a fallback? */
static bool
serves(const struct dns_cache *cache, const struct dns_entry *e, int64_t now)
{
	return (now < e->fresh || is_fallback(cache, e, now));
}

static struct dns_entry *
new_entry(const struct dns_key *key, const struct dns_result *result)
{
	size_t name_size = strlen(key->name) + 1;
	size_t detail_size =
	    result->detail != NULL ? strlen(result->detail) + 1 : 0;
	size_t addrs_size = result->naddrs * sizeof(struct addr);
	struct dns_entry *e;

	e = calloc(1, sizeof(*e) + addrs_size + name_size + detail_size);
	if (e == NULL)
		return (NULL);
	e->held = 1;
	e->reason = result->reason;
	e->family = key->family;
	e->naddrs = result->naddrs;
	if (addrs_size != 0)
		memcpy(e->addrs, result->addrs, addrs_size);
	e->name = memcpy((char *)e->addrs + addrs_size, key->name, name_size);
	if (detail_size != 0)
		e->detail = memcpy((char *)e->addrs + addrs_size + name_size,
		    result->detail, detail_size);
	return (e);
}

/* In place of what was known. */
static void
link_entry(
    struct dns_cache *cache, const struct dns_key *key, struct dns_entry *e)
{
	struct dns_entry *old = find_entry(cache, key);

	if (old != NULL)
		unlink_entry(cache, old);
	if (!has_sibling(cache, e))
		cache->names++;
	LIST_INSERT_HEAD(find_bucket(cache, key->name), e, chain);
	e->linked = true;
	cache->count++;
	evict(cache);
}

struct dns_entry *
dns_cache_put(struct dns_cache *cache, const struct dns_key *key,
    const struct dns_result *result, int64_t now)
{
	struct dns_entry *e = new_entry(key, result);
	int64_t ttl = cache->negative_ttl;

	if (e == NULL)
		return (NULL);
	if (result->reason == REASON_NONE) {
		ttl = result->ttl;
		if (ttl < cache->min_ttl)
			ttl = cache->min_ttl;
		if (ttl > cache->max_ttl)
			ttl = cache->max_ttl;
	}
	e->expires = e->fresh = later(now, ttl);
	link_entry(cache, key, e);
	return (e);
}

void
dns_cache_restore(struct dns_cache *cache, const struct dns_key *key,
    const struct dns_result *result, int64_t expires, int64_t now)
{
	int64_t most =
	    later(now, result->reason == REASON_NONE ? cache->max_ttl
						     : cache->negative_ttl);
	struct dns_entry *e, *old = find_entry(cache, key);

	if (expires > most)
		expires = most;
	if (!is_answer(result->reason) ||
	    (old != NULL && old->expires > expires))
		return;
	e = new_entry(key, result);
	if (e == NULL)
		return;
	e->expires = e->fresh = expires;
	/* That a name is gone is over soon, and yet it had an address before
	 * that, not after. */
	if (serves(cache, e, now))
		link_entry(cache, key, e);
	else if (old != NULL)
		unlink_entry(cache, old);
	dns_entry_release(cache, e);
}

static void
tell(const struct dns_entry *e,
    void (*cb)(
	void *, const struct dns_key *, const struct dns_result *, int64_t),
    void *arg)
{
	const struct dns_key key = { .name = e->name, .family = e->family };
	const struct dns_result result = {
		.reason = e->reason,
		.addrs = e->addrs,
		.naddrs = e->naddrs,
	};

	cb(arg, &key, &result, e->expires);
}

void
dns_cache_walk(struct dns_cache *cache, int64_t now,
    void (*cb)(
	void *, const struct dns_key *, const struct dns_result *, int64_t),
    void *arg)
{
	const struct dns_entry *e;
	size_t i;

	TAILQ_FOREACH_REVERSE(e, &cache->lru, lru, use)
	{
		if (is_answer(e->reason) && serves(cache, e, now))
			tell(e, cb, arg);
	}
	for (i = 0; i <= cache->mask; i++) {
		LIST_FOREACH (e, &cache->buckets[i], chain) {
			if (e->held != 0 && is_answer(e->reason))
				tell(e, cb, arg);
		}
	}
}

struct dns_entry *
dns_cache_fail(struct dns_cache *cache, const struct dns_key *key,
    const struct dns_result *failure, int64_t now)
{
	struct dns_entry *e = find_entry(cache, key);
	bool fallback = e != NULL && is_fallback(cache, e, now);
	int64_t until, end;

	if (failure->shortage)
		return (fallback ? hold(cache, e) : new_entry(key, failure));
	if (!fallback)
		return (dns_cache_put(cache, key, failure, now));
	until = later(now, cache->negative_ttl);
	end = later(e->expires, cache->stale);
	if (until > end)
		until = end;
	if (e->fresh < until)
		e->fresh = until;
	return (hold(cache, e));
}

size_t
dns_cache_count(const struct dns_cache *cache)
{
	return (cache->count);
}

enum reason
dns_entry_reason(const struct dns_entry *e)
{
	return (e->reason);
}

int64_t
dns_entry_expires(const struct dns_entry *e)
{
	return (e->expires);
}

const char *
dns_entry_detail(const struct dns_entry *e)
{
	return (e->detail);
}

const struct addr *
dns_entry_addrs(const struct dns_entry *e, size_t *n)
{
	*n = e->naddrs;
	return (e->addrs);
}

bool
dns_entry_stale(const struct dns_entry *e, int64_t now)
{
	return (e->naddrs != 0 && now >= e->expires);
}
