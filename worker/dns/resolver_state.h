/*
 * The state of the resolver, for the files that make it up. Each calls only
 * those above it: resolver_store.c (the stores of workers), resolver_kept.c
 * (what is kept of answers), resolver_question.c (questions under way, and who
 * waits for their answers), resolver.c (where an answer comes from).
 */
#ifndef WORKER_DNS_RESOLVER_STATE_H
#define WORKER_DNS_RESOLVER_STATE_H

#include <sys/queue.h>

#include "common/base/hash.h"
#include "common/log/log.h"
#include "common/net/hostname.h"
#include "worker/dns/cache.h"
#include "worker/dns/channel.h"
#include "worker/dns/resolver.h"
#include "worker/dns/store.h"
#include "worker/loop/loop.h"

#define RESOLVER_BUCKETS 1024 /* a power of two */

LIST_HEAD(resolver_query_list, resolver_query);
LIST_HEAD(resolver_entry_list, resolver_entry);
STAILQ_HEAD(resolver_answered_list, resolver_entry);

/*
 * A question: in a bucket while it is under way, in the answered list until
 * the task has told those who wait. So their callbacks never run inside c-ares.
 */
struct resolver_entry {
	struct dns_question question; /* its name is the one below */
	struct resolver *r;
	struct resolver_query_list waiters;
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
	struct resolver_answered_list answered;
	struct loop_task task;
	struct log_rate failed_rate, full_rate, cut_rate;
	struct resolver_entry_list buckets[RESOLVER_BUCKETS];
};

/* resolver_kept.c */
/* What servers said to the question, or that they failed: its answer, and what
 * is kept of it. */
void resolver_remember_answer(
    struct resolver *, struct resolver_entry *, const struct dns_result *);
void resolver_remember_failure(
    struct resolver *, struct resolver_entry *, const struct dns_result *);

/* resolver_question.c */
/* What the resolver's task does: tells those who wait. */
void resolver_question_task(struct loop_task *);
/* Tells who asks, now; stale: the servers failed, it is out of date. */
void resolver_tell(struct resolver *, struct resolver_query *,
    const struct dns_entry *, bool cached, bool stale);
void resolver_tell_failure(
    struct resolver_query *, enum reason, const char *detail);
/* The number of whoever asks; 0: nobody in particular. */
uint64_t resolver_client(const struct resolver_query *);
/* Is it asked already? */
bool resolver_question_asked(struct resolver *, const struct dns_key *);
/* True: somebody has asked, and the answer will do for both. */
bool resolver_question_join(
    struct resolver *, struct resolver_query *, const struct dns_key *);
/* Asks, for which there must be a place; old, which serves if that fails, is
 * taken. */
void resolver_question_ask(struct resolver *, struct resolver_query *,
    const struct dns_key *, struct dns_entry *old);
/* Frees those that are answered, for which nobody waits. */
void resolver_question_fini(struct resolver *);
/* Counts one, where there is somebody who wants to know. */
void resolver_count(struct resolver *, enum stats_counter);

#endif
