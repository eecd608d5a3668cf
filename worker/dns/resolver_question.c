/* Questions under way: all who ask for the same name and family wait for the
 * same answer. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "worker/dns/resolver_state.h"

/* So many are told their answer before others have their turn: each may dial,
 * and any number can wait for one name. */
#define ANSWERS_PER_TURN 16

void
resolver_count(struct resolver *r, enum stats_counter counter)
{
	if (r->slot != NULL)
		stats_add(&r->slot->count[counter], 1);
}

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
void
resolver_tell(struct resolver *r, struct resolver_query *q,
    const struct dns_entry *e, bool cached, bool stale)
{
	struct resolver_answer a = {
		.reason = dns_entry_reason(e),
		.detail = dns_entry_detail(e),
		.cached = cached,
		.stale = stale,
	};

	a.addrs = dns_entry_addrs(e, &a.naddrs);
	if (stale)
		resolver_count(r, STAT_DNS_STALE);
	q->cb(q, &a);
}

void
resolver_tell_failure(
    struct resolver_query *q, enum reason reason, const char *detail)
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
			resolver_tell_failure(q, REASON_NO_MEMORY, NULL);
		else
			resolver_tell(r, q, entry->answer, false, entry->stale);
	}
	return (left);
}

void
resolver_question_task(struct loop_task *task)
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
		resolver_remember_failure(r, entry, result);
	else
		resolver_remember_answer(r, entry, result);
	STAILQ_INSERT_TAIL(&r->answered, entry, answered);
	loop_defer(r->loop, &r->task);
}

static struct resolver_entry_list *
find_bucket(struct resolver *r, const char *name)
{
	return (&r->buckets[hash_bytes(&r->key, name, strlen(name)) %
			    RESOLVER_BUCKETS]);
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

bool
resolver_question_asked(struct resolver *r, const struct dns_key *key)
{
	return (find_question(r, key) != NULL);
}

uint64_t
resolver_client(const struct resolver_query *q)
{
	return (q->account != NULL ? q->account->client : 0);
}

bool
resolver_question_join(
    struct resolver *r, struct resolver_query *q, const struct dns_key *key)
{
	struct resolver_entry *entry = find_question(r, key);

	if (entry == NULL)
		return (false);
	LIST_INSERT_HEAD(&entry->waiters, q, link);
	q->entry = entry;
	dns_channel_join(r->channel, &entry->question, resolver_client(q));
	return (true);
}

void
resolver_question_ask(struct resolver *r, struct resolver_query *q,
    const struct dns_key *key, struct dns_entry *old)
{
	struct resolver_entry *entry = new_question(r, key);

	if (entry == NULL) {
		dns_entry_release(r->cache, old);
		resolver_tell_failure(q, REASON_NO_MEMORY, NULL);
		return;
	}
	entry->old = old;
	entry->account = q->account;
	entry->question.client = resolver_client(q);
	if (entry->account != NULL)
		entry->account->held++;
	LIST_INSERT_HEAD(&entry->waiters, q, link);
	q->entry = entry;
	resolver_count(r, STAT_DNS_QUERIES);
	dns_channel_ask(r->channel, &entry->question);
}

void
resolver_cancel(struct resolver *r, struct resolver_query *q)
{
	if (q->entry == NULL)
		return;
	LIST_REMOVE(q, link);
	q->entry = NULL;
}

void
resolver_question_fini(struct resolver *r)
{
	struct resolver_entry *entry;

	while ((entry = STAILQ_FIRST(&r->answered)) != NULL) {
		STAILQ_REMOVE_HEAD(&r->answered, answered);
		entry_free(r, entry);
	}
}
