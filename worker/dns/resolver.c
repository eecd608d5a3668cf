/*
 * Looks a name up: in the hosts file, in the cache, then at the name servers;
 * all who ask for the same name share one question.
 */
#include "worker/dns/resolver.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/hash.h"
#include "common/log/log.h"
#include "common/net/hostname.h"
#include "common/net/hosts.h"
#include "worker/dns/cache.h"
#include "worker/dns/channel.h"
#include "worker/dns/resolver_store.h"
#include "worker/dns/store.h"
#include "worker/loop/loop.h"

#define BUCKETS 1024 /* a power of two */

/* So many are told their answer before others have their turn: each may dial,
 * and any number can wait for one name. */
#define ANSWERS_PER_TURN 16

_Static_assert(RESOLVER_ADDRS_MAX == DNS_MESSAGE_ADDRS_MAX &&
		   RESOLVER_DETAIL_SIZE >= DNS_SAID_SIZE,
    "an answer of the channel is no larger than one of ours");

static const struct dns_terms terms = {
	.resolv_conf = "/etc/resolv.conf",
	.port = 53,
	.interval = 5 * CLOCK_SEC,
	.again = 5 * CLOCK_SEC,
};

LIST_HEAD(query_list, resolver_query);
LIST_HEAD(entry_list, resolver_entry);
STAILQ_HEAD(answered_list, resolver_entry);

/*
 * A question: in a bucket while it is under way, in the answered list until
 * the task has told those who wait. So their callbacks never run inside c-ares.
 */
struct resolver_entry {
	struct dns_question question; /* its name is the one below */
	struct resolver *r;
	struct query_list waiters;
	LIST_ENTRY(resolver_entry) chain;
	STAILQ_ENTRY(resolver_entry) answered;
	struct dns_entry *old;	  /* held, so that it is there if all fails */
	struct dns_entry *answer; /* held; NULL: no memory */
	bool stale;		  /* the servers failed, it is out of date */
	struct resolver_account *account; /* held while it is under way */
	char name[HOSTNAME_SIZE];
};

struct resolver {
	struct loop *loop;
	const struct hosts *hosts;
	struct log *log;
	struct stats_slot *slot;
	struct dns_cache *cache;
	struct hash_key key;
	struct dns_channel *channel;
	struct dns_store *store; /* NULL: nothing is left to anybody */
	struct answered_list answered;
	struct loop_task task;
	struct log_rate failed_rate, full_rate, cut_rate;
	struct entry_list buckets[BUCKETS];
};

static void
count(struct resolver *r, enum stats_counter counter)
{
	if (r->slot != NULL)
		stats_add(&r->slot->count[counter], 1);
}

/* questions and answers */

void
resolver_account_release(struct resolver_account *account)
{
	if (account != NULL && --account->held == 0)
		account->over(account);
}

static void
entry_free(struct resolver *r, struct resolver_entry *entry)
{
	assert(LIST_EMPTY(&entry->waiters));
	dns_entry_release(r->cache, entry->old);
	dns_entry_release(r->cache, entry->answer);
	free(entry);
}

/* stale is told apart from the time: an answer of TTL 0 is not stale. */
static void
answer(struct resolver *r, struct resolver_query *q, const struct dns_entry *e,
    bool cached, bool stale)
{
	struct resolver_answer a = {
		.reason = dns_entry_reason(e),
		.detail = dns_entry_detail(e),
		.cached = cached,
		.stale = stale,
	};

	a.addrs = dns_entry_addrs(e, &a.naddrs);
	if (stale)
		count(r, STAT_DNS_STALE);
	q->cb(q, &a);
}

/* The same where there is no entry. */
static void
answer_failure(struct resolver_query *q, enum reason reason, const char *detail)
{
	const struct resolver_answer a = {
		.reason = reason,
		.detail = detail,
		.cached = true,
	};

	q->cb(q, &a);
}

/* Tells so many at most of those who wait, whatever they ask or cancel
 * meanwhile; how many more may be told now. */
static unsigned
answer_waiters(struct resolver *r, struct resolver_entry *entry, unsigned left)
{
	struct resolver_query *q;

	for (; left > 0 && (q = LIST_FIRST(&entry->waiters)) != NULL; left--) {
		LIST_REMOVE(q, link);
		q->entry = NULL;
		if (entry->answer == NULL)
			answer_failure(q, REASON_NO_MEMORY, NULL);
		else
			answer(r, q, entry->answer, false, entry->stale);
	}
	return (left);
}

static void
task_cb(struct loop_task *task)
{
	struct resolver *r = container_of(task, struct resolver, task);
	struct resolver_entry *entry;
	unsigned left = ANSWERS_PER_TURN;

	while (left > 0 && (entry = STAILQ_FIRST(&r->answered)) != NULL) {
		left = answer_waiters(r, entry, left);
		if (!LIST_EMPTY(&entry->waiters))
			break;
		STAILQ_REMOVE_HEAD(&r->answered, answered);
		entry_free(r, entry);
	}
	if (!STAILQ_EMPTY(&r->answered))
		loop_defer(r->loop, task);
}

static void
remember_failure(struct resolver *r, struct resolver_entry *entry,
    const struct dns_result *failure)
{
	const struct dns_key *key = &entry->question.key;
	int64_t now = loop_now(r->loop);

	entry->answer = dns_cache_fail(r->cache, key, failure, now);
	entry->stale =
	    entry->answer != NULL && dns_entry_stale(entry->answer, now);
	log_write_rate(r->log, &r->failed_rate, LOG_LEVEL_WARNING,
	    "resolver: %s (%s): %s: %s%s", key->name,
	    key->family == AF_INET ? "A" : "AAAA", reason_text(failure->reason),
	    failure->detail,
	    entry->stale ? "; its expired addresses are used" : "");
}

/* What is not left to others, though it is known. */
static void
tell_cut(struct resolver *r, const struct resolver_store_cut *cut)
{
	if (cut->answers != 0)
		log_write_rate(r->log, &r->cut_rate, LOG_LEVEL_WARNING,
		    "resolver: %zu of %zu answers that are known have no room "
		    "in what is left to later workers, and of the others all "
		    "but %zu address%s each",
		    cut->answers, dns_cache_count(r->cache), cut->addrs,
		    cut->addrs == 1 ? "" : "es");
	else if (cut->addrs != 0)
		log_write_rate(r->log, &r->cut_rate, LOG_LEVEL_NOTICE,
		    "resolver: of each answer, %zu address%s left to later "
		    "workers: there is no room for more",
		    cut->addrs, cut->addrs == 1 ? " is" : "es are");
}

static void
remember_answer(struct resolver *r, struct resolver_entry *entry,
    const struct dns_result *result)
{
	const struct dns_key *key = &entry->question.key;
	struct resolver_store_cut cut;

	entry->answer = dns_cache_put(r->cache, key, result, loop_now(r->loop));
	if (entry->answer == NULL || r->store == NULL)
		return;
	cut = resolver_store_leave(r->store, r->cache,
	    dns_channel_servers(r->channel),
	    &(struct dns_record){
		*key, *result, dns_entry_expires(entry->answer) },
	    loop_now(r->loop));
	tell_cut(r, &cut);
}

/* What the servers said, to be told to those who wait at the end of the turn;
 * NULL: the resolver is being freed. */
static void
question_cb(struct dns_question *question, const struct dns_result *result)
{
	struct resolver_entry *entry =
	    container_of(question, struct resolver_entry, question);
	struct resolver *r = entry->r;

	LIST_REMOVE(entry, chain);
	resolver_account_release(entry->account);
	entry->account = NULL;
	if (result == NULL) {
		entry_free(r, entry);
		return;
	}
	if (result->reason == REASON_DNS_TIMEOUT ||
	    result->reason == REASON_DNS_FAILED ||
	    result->reason == REASON_NO_MEMORY)
		remember_failure(r, entry, result);
	else
		remember_answer(r, entry, result);
	STAILQ_INSERT_TAIL(&r->answered, entry, answered);
	loop_defer(r->loop, &r->task);
}

static struct entry_list *
find_bucket(struct resolver *r, const char *name)
{
	return (&r->buckets[hash_bytes(&r->key, name, strlen(name)) % BUCKETS]);
}

static struct resolver_entry *
find_question(struct resolver *r, const struct dns_key *key)
{
	struct resolver_entry *entry;

	LIST_FOREACH (entry, find_bucket(r, key->name), chain) {
		if (entry->question.key.family == key->family &&
		    strcmp(entry->name, key->name) == 0)
			return (entry);
	}
	return (NULL);
}

/* A question that is not asked yet; NULL: no memory. */
static struct resolver_entry *
new_question(struct resolver *r, const struct dns_key *key)
{
	struct resolver_entry *entry = calloc(1, sizeof(*entry));
	size_t size = strlen(key->name) + 1;

	if (entry == NULL || size > sizeof(entry->name)) {
		free(entry);
		return (NULL);
	}
	memcpy(entry->name, key->name, size);
	entry->r = r;
	entry->question.key.name = entry->name;
	entry->question.key.family = key->family;
	entry->question.cb = question_cb;
	LIST_INIT(&entry->waiters);
	LIST_INSERT_HEAD(find_bucket(r, key->name), entry, chain);
	return (entry);
}

/* True: the hosts file has the name, or needs not to. */
static bool
answer_from_hosts(
    struct resolver *r, struct resolver_query *q, const struct dns_key *key)
{
	struct addr addrs[RESOLVER_ADDRS_MAX] = { 0 };
	bool known = false;
	size_t n;

	n = hosts_answer(r->hosts, key->name, key->family, addrs,
	    RESOLVER_ADDRS_MAX, &known);
	if (known) {
		const struct resolver_answer a = {
			.reason = n != 0 ? REASON_NONE : REASON_DNS_NO_ADDRESS,
			.addrs = addrs,
			.naddrs = n,
			.cached = true,
		};

		q->cb(q, &a);
	}
	return (known);
}

static uint64_t
client_of(const struct resolver_query *q)
{
	return (q->account != NULL ? q->account->client : 0);
}

/* True: somebody has asked, and the answer will do for both. */
static bool
join_question(
    struct resolver *r, struct resolver_query *q, const struct dns_key *key)
{
	struct resolver_entry *entry = find_question(r, key);

	if (entry == NULL)
		return (false);
	LIST_INSERT_HEAD(&entry->waiters, q, link);
	q->entry = entry;
	dns_channel_join(r->channel, &entry->question, client_of(q));
	return (true);
}

/* old is taken. */
static void
ask_question(struct resolver *r, struct resolver_query *q,
    const struct dns_key *key, struct dns_entry *old)
{
	struct resolver_entry *entry = new_question(r, key);

	if (entry == NULL) {
		dns_entry_release(r->cache, old);
		answer_failure(q, REASON_NO_MEMORY, NULL);
		return;
	}
	entry->old = old;
	entry->account = q->account;
	entry->question.client = client_of(q);
	if (entry->account != NULL)
		entry->account->held++;
	LIST_INSERT_HEAD(&entry->waiters, q, link);
	q->entry = entry;
	count(r, STAT_DNS_QUERIES);
	dns_channel_ask(r->channel, &entry->question);
}

/* Too many are asked already: as if the servers had failed. */
static void
answer_full(struct resolver *r, struct resolver_query *q, struct dns_entry *old)
{
	log_write_rate(r->log, &r->full_rate, LOG_LEVEL_WARNING,
	    "resolver: too many questions are under way; a further one is not "
	    "asked");
	if (old != NULL)
		answer(r, q, old, true, true);
	else
		answer_failure(
		    q, REASON_DNS_FAILED, "too many questions are under way");
}

void
resolver_ask(struct resolver *r, struct resolver_query *q, const char *name,
    int family,
    void (*cb)(struct resolver_query *, const struct resolver_answer *))
{
	const struct dns_key key = { .name = name, .family = family };
	int64_t now = loop_now(r->loop);
	struct dns_entry *e;

	q->cb = cb;
	q->entry = NULL;
	if (answer_from_hosts(r, q, &key))
		return;
	if (dns_cache_find(r->cache, &key, now, &e) == DNS_CACHE_FRESH) {
		count(r, STAT_DNS_HITS);
		answer(r, q, e, true, dns_entry_stale(e, now));
	} else if (join_question(r, q, &key)) {
		;
	} else if (dns_channel_full(r->channel, client_of(q))) {
		answer_full(r, q, e);
	} else {
		ask_question(r, q, &key, e);
		return;
	}
	dns_entry_release(r->cache, e);
}

bool
resolver_would_ask(struct resolver *r, const char *name, int family)
{
	const struct dns_key key = { .name = name, .family = family };
	struct dns_entry *e = NULL;
	bool known = false;

	(void)hosts_answer(r->hosts, name, family, NULL, 0, &known);
	if (known)
		return (false);
	known = dns_cache_find(r->cache, &key, loop_now(r->loop), &e) ==
		DNS_CACHE_FRESH;
	dns_entry_release(r->cache, e);
	return (!known && find_question(r, &key) == NULL);
}

void
resolver_cancel(struct resolver *r, struct resolver_query *q)
{
	if (q->entry == NULL)
		return;
	LIST_REMOVE(q, link);
	q->entry = NULL;
}

int
resolver_new(struct resolver **out, struct loop *loop,
    const struct conf_dns *conf, const struct hosts *hosts, struct log *log,
    struct stats_slot *slot)
{
	struct resolver *r;
	int error;

	r = calloc(1, sizeof(*r));
	if (r == NULL)
		return (-ENOMEM);
	r->loop = loop;
	r->hosts = hosts;
	r->log = log;
	r->slot = slot;
	r->task.cb = task_cb;
	STAILQ_INIT(&r->answered); /* zeroed LISTs are empty */
	error = hash_key_init(&r->key);
	if (error == 0)
		error = dns_cache_new(&r->cache, conf);
	if (error == 0)
		error = dns_channel_new(&r->channel, loop, conf, &terms, log);
	if (error != 0) {
		resolver_free(r);
		return (error);
	}
	*out = r;
	return (0);
}

int
resolver_inherit(struct resolver *r, int writer, const int *readers, size_t n)
{
	uint64_t servers = dns_channel_servers(r->channel);
	int64_t now = loop_now(r->loop);
	struct resolver_store_cut cut;
	int error = resolver_store_restore(r->cache, servers, readers, n, now);

	if (error == 0)
		error = dns_store_new(&r->store, writer);
	if (error != 0)
		return (error);
	cut = resolver_store_rewrite(r->store, r->cache, servers, now);
	tell_cut(r, &cut);
	return ((int)dns_cache_count(r->cache));
}

void
resolver_free(struct resolver *r)
{
	struct resolver_entry *entry;

	if (r == NULL)
		return;
	loop_undefer(r->loop, &r->task);
	dns_channel_free(r->channel);
	while ((entry = STAILQ_FIRST(&r->answered)) != NULL) {
		STAILQ_REMOVE_HEAD(&r->answered, answered);
		entry_free(r, entry);
	}
	dns_store_free(r->store);
	dns_cache_free(r->cache);
	free(r);
}
