/*
 * Names to addresses: hosts file, cache, then c-ares on the loop. One
 * question per name and family is under way at a time; all who ask for it
 * wait for the same answer.
 */
#ifndef WORKER_DNS_RESOLVER_H
#define WORKER_DNS_RESOLVER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/queue.h>

#include "common/conf/conf.h"
#include "common/net/addr.h"
#include "common/net/hosts.h"
#include "common/reason.h"
#include "common/shm/stats.h"

struct log;
struct loop;
struct resolver;

#define RESOLVER_ADDRS_MAX HOSTS_ADDRS_MAX

/* What name servers said, of one name and family. */
#define RESOLVER_DETAIL_SIZE 160

struct resolver_answer {
	enum reason reason;	  /* NONE, or REASON_DNS_* */
	const struct addr *addrs; /* borrowed for the call; port 0 */
	size_t naddrs;
	const char *detail; /* borrowed for the call; NULL: nothing to say */
	bool cached;	    /* no question was asked for this one */
	bool stale; /* the servers did not answer, this is out of date */
};

/*
 * On whose account questions are asked. The caller that opens an account holds
 * it until all that may ask have asked. Each question asked on it holds it
 * until that question is over, whether or not somebody still waits for the
 * answer.
 */
struct resolver_account {
	size_t held;
	uint64_t client; /* a number of whoever asks; questions take turns */
	void (*over)(struct resolver_account *); /* nobody holds it any more */
};

/* A query that waits for an answer. It is embedded in its owner, which sets
 * account; resolver_ask() sets the members below. */
struct resolver_query {
	struct resolver_account *account; /* NULL: nobody's */
	void (*cb)(struct resolver_query *, const struct resolver_answer *);
	struct resolver_entry *entry; /* NULL: not waiting */
	LIST_ENTRY(resolver_query) link;
};

/*
 * conf, hosts (may be NULL), log and slot are borrowed for the resolver's
 * life. To be called after the fork. 0 or -errno.
 */
int resolver_new(struct resolver **, struct loop *, const struct conf_dns *,
    const struct hosts *, struct log *, struct stats_slot *);

/*
 * Begins with what other workers have left of answers of the same name servers
 * in the stores that are read from those descriptors, and leaves its own
 * knowledge in that of the writer from then on. All of them stay the caller's.
 * Returns how many answers are known; without a store, what is wrong, -errno.
 */
int resolver_inherit(
    struct resolver *, int writer, const int *readers, size_t n);

/* No query may be waiting. */
void resolver_free(struct resolver *);

/*
 * Asks for the addresses of a canonical name (no address literal) in one
 * family, AF_INET or AF_INET6. cb is called exactly once, possibly before
 * this returns, unless the query is cancelled. It does not fail: lack of
 * memory is an answer, too (REASON_NO_MEMORY).
 */
void resolver_ask(struct resolver *, struct resolver_query *, const char *name,
    int family,
    void (*cb)(struct resolver_query *, const struct resolver_answer *));

/* Would resolver_ask() ask a new question? Not where the hosts file or the
 * cache has the answer, or others wait for it already. */
bool resolver_would_ask(struct resolver *, const char *name, int family);

/* Lets go of an account; no-op for NULL. */
void resolver_account_release(struct resolver_account *);

/* cb will not be called; other queries for the same name go on. May be called
 * from within any callback. No-op where the query is not waiting. */
void resolver_cancel(struct resolver *, struct resolver_query *);

#endif
