/*
 * Sequences of operations on the DNS cache, against a model that is an array.
 * Input: 5 bytes of configuration, then operations of 3 bytes: what, which
 * question, a number.
 */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "worker/dns/cache.h"

#define KEYS 12
#define HELD 8

/* Assertions that no build leaves out. */
#define must(x)                  \
	do {                     \
		if (!(x))        \
			abort(); \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

struct model_entry {
	bool known;
	enum reason reason;
	uint8_t tag, naddrs;
	int64_t fresh, expires;
	uint64_t used; /* when it was last released */
	size_t held;
	struct dns_entry *entry;
};

struct held {
	size_t key;
	uint8_t tag, naddrs;
	enum reason reason;
	struct dns_entry *entry;
};

struct world {
	struct dns_cache *cache;
	struct conf_dns conf;
	struct model_entry model[KEYS];
	struct held held[HELD];
	int64_t now;
	uint64_t clock; /* of uses */
};

static const struct dns_key keys[KEYS] = {
	{ "a.test", AF_INET },
	{ "a.test", AF_INET6 },
	{ "b.test", AF_INET },
	{ "b.test", AF_INET6 },
	{ "a.tes", AF_INET },
	{ "a.tes", AF_INET6 },
	{ "xa.test", AF_INET },
	{ "xa.test", AF_INET6 },
	{ "c", AF_INET },
	{ "c", AF_INET6 },
	{ "a-very-much-longer-name-with.several.labels.test", AF_INET },
	{ "a-very-much-longer-name-with.several.labels.test", AF_INET6 },
};

static size_t
model_count(const struct world *w)
{
	size_t i, n = 0;

	for (i = 0; i < KEYS; i++)
		n += w->model[i].known;
	return (n);
}

/* Two keys in a row are the families of one. */
static size_t
model_names(const struct world *w)
{
	size_t i, n = 0;

	for (i = 0; i < KEYS; i += 2)
		n += w->model[i].known || w->model[i + 1].known;
	return (n);
}

static void
model_evict(struct world *w)
{
	struct model_entry *m, *oldest;
	size_t i;

	while (model_names(w) > (size_t)w->conf.cache_size) {
		oldest = NULL;
		for (i = 0; i < KEYS; i++) {
			m = &w->model[i];
			if (m->known && m->held == 0 &&
			    (oldest == NULL || m->used < oldest->used))
				oldest = m;
		}
		if (oldest == NULL)
			return;
		oldest->known = false;
	}
}

static void
check_content(
    const struct dns_entry *e, enum reason reason, uint8_t tag, uint8_t naddrs)
{
	const struct addr *addrs;
	size_t i, n;

	addrs = dns_entry_addrs(e, &n);
	must(n == naddrs && dns_entry_reason(e) == reason);
	for (i = 0; i < n; i++)
		must(addrs[i].ip[0] == tag && addrs[i].ip[1] == i);
}

static void
release(struct world *w, struct held *h)
{
	struct model_entry *m;

	if (h->entry == NULL)
		return;
	check_content(h->entry, h->reason, h->tag, h->naddrs);
	m = &w->model[h->key];
	dns_entry_release(w->cache, h->entry);
	if (m->known && m->entry == h->entry && --m->held == 0) {
		m->used = ++w->clock;
		model_evict(w);
	}
	h->entry = NULL;
}

/* Keeps what was returned until its place is wanted for another. */
static void
keep(struct world *w, size_t key, struct dns_entry *e, uint8_t number)
{
	struct model_entry *m = &w->model[key];
	struct held *h = &w->held[number % HELD];

	must(e != NULL);
	m->held++;
	m->entry = e;
	check_content(e, m->reason, m->tag, m->naddrs);
	must(dns_entry_stale(e, w->now) ==
	     (m->naddrs != 0 && w->now >= m->expires));
	release(w, h);
	*h = (struct held){ .key = key,
		.tag = m->tag,
		.naddrs = m->naddrs,
		.reason = m->reason,
		.entry = e };
	if (number & 0x80)
		release(w, h);
}

static int64_t
clamp(const struct world *w, int64_t ttl)
{
	if (ttl < w->conf.min_ttl)
		ttl = w->conf.min_ttl;
	return (ttl > w->conf.max_ttl ? w->conf.max_ttl : ttl);
}

static void
model_put(
    struct world *w, size_t key, const struct dns_result *result, uint8_t tag)
{
	struct model_entry *m = &w->model[key];
	int64_t ttl =
	    result->naddrs != 0 ? clamp(w, result->ttl) : w->conf.negative_ttl;

	*m = (struct model_entry){ .known = true,
		.reason = result->reason,
		.tag = tag,
		.naddrs = (uint8_t)result->naddrs,
		.fresh = w->now + ttl,
		.expires = w->now + ttl,
		.held = 1 };
	model_evict(w);
	m->held = 0;
}

static void
put(struct world *w, size_t key, uint8_t number)
{
	struct addr addrs[4] = { 0 };
	struct dns_result result = { .addrs = addrs, .ttl = number };
	uint8_t i;

	result.naddrs = number % 5;
	if (result.naddrs == 0)
		result.reason = REASON_DNS_NOT_FOUND;
	for (i = 0; i < result.naddrs; i++) {
		addrs[i].ip[0] = number;
		addrs[i].ip[1] = i;
	}
	model_put(w, key, &result, number);
	keep(w, key, dns_cache_put(w->cache, &keys[key], &result, w->now),
	    number);
}

static bool
is_fallback(const struct world *w, const struct model_entry *m)
{
	return (
	    m->known && m->naddrs != 0 && w->now < m->expires + w->conf.stale);
}

static void
fail(struct world *w, size_t key, uint8_t number)
{
	struct dns_result failure = { .reason = REASON_DNS_FAILED };
	struct model_entry *m = &w->model[key];
	int64_t until = w->now + w->conf.negative_ttl;

	if (!is_fallback(w, m)) {
		model_put(w, key, &failure, 0);
	} else {
		if (until > m->expires + w->conf.stale)
			until = m->expires + w->conf.stale;
		if (m->fresh < until)
			m->fresh = until;
	}
	keep(w, key,
	    dns_cache_fail(w->cache, &keys[key],
		&(struct dns_result){ .reason = REASON_DNS_FAILED }, w->now),
	    number);
}

static void
find(struct world *w, size_t key, uint8_t number)
{
	struct model_entry *m = &w->model[key];
	struct dns_entry *e;
	enum dns_cache_state got, want = DNS_CACHE_NONE;

	if (m->known && w->now < m->fresh)
		want = DNS_CACHE_FRESH;
	else if (is_fallback(w, m))
		want = DNS_CACHE_OLD;
	got = dns_cache_find(w->cache, &keys[key], w->now, &e);
	must(got == want);
	if (want != DNS_CACHE_NONE) {
		keep(w, key, e, number);
		return;
	}
	must(e == NULL);
	m->known = false;
}

static void
operate(struct world *w, uint8_t what, size_t key, uint8_t number)
{
	switch (what % 5) {
	case 0:
		find(w, key, number);
		break;
	case 1:
		put(w, key, number);
		break;
	case 2:
		fail(w, key, number);
		break;
	case 3:
		w->now += number;
		break;
	case 4:
		release(w, &w->held[number % HELD]);
		break;
	}
	must(dns_cache_count(w->cache) == model_count(w));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct world w = { .now = 1 };
	size_t i;

	if (size < 5)
		return (0);
	w.conf.cache_size = data[0] % (KEYS / 2 + 2);
	w.conf.min_ttl = data[1] % 64;
	w.conf.max_ttl = data[2];
	w.conf.negative_ttl = data[3] % 64;
	w.conf.stale = data[4];
	must(dns_cache_new(&w.cache, &w.conf) == 0);
	for (i = 5; i + 3 <= size; i += 3)
		operate(&w, data[i], data[i + 1] % KEYS, data[i + 2]);
	for (i = 0; i < HELD; i++)
		release(&w, &w.held[i]);
	must(model_names(&w) <= (size_t)w.conf.cache_size);
	dns_cache_free(w.cache);
	return (0);
}
