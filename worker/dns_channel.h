/*
 * Questions to name servers, by c-ares on the loop. Where the configuration
 * names no servers, those of resolv.conf are asked, as it is at the time.
 */
#ifndef WORKER_DNS_CHANNEL_H
#define WORKER_DNS_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/conf.h"
#include "worker/dns_cache.h"

struct dns_channel;
struct dns_servers;
struct log;
struct loop;

/* More addresses than that of one answer are left out. */
#define DNS_CHANNEL_ADDRS_MAX 32

/*
 * More are not asked at a time: c-ares 1.18 looks for an unused query id for
 * ever when all 65536 are in use, and the more there are the likelier a forged
 * answer fits one.
 */
#define DNS_CHANNEL_QUESTIONS_MAX 4096

/* Who is asked where the configuration names no servers. */
struct dns_resolv_conf {
	const char *path;
	uint16_t port;	  /* of its servers; the file cannot name one */
	int64_t interval; /* ns, of looks whether it is another file now */
};

/*
 * A question, embedded in its owner, who sets key (whose name lives as long)
 * and cb, and keeps it until cb is called. What cb is told is borrowed for the
 * call, and its reason may also be DNS_TIMEOUT, DNS_FAILED or NO_MEMORY; NULL:
 * the channel is being freed.
 */
struct dns_question {
	struct dns_key key;
	void (*cb)(struct dns_question *, const struct dns_result *);
	struct dns_servers *servers; /* who are asked */
};

/*
 * conf, the file's description and log are borrowed for the channel's life. To
 * be called after the fork. 0 or -errno.
 */
int dns_channel_new(struct dns_channel **, struct loop *,
    const struct conf_dns *, const struct dns_resolv_conf *, struct log *);

/* Ends all questions. NULL is let pass. */
void dns_channel_free(struct dns_channel *);

/*
 * Asks. cb is called exactly once, from within c-ares, possibly before this
 * returns: it may free the question, and must not ask another or free the
 * channel. The channel must not be full.
 */
void dns_channel_ask(struct dns_channel *, struct dns_question *);

/* Are too many questions under way for another one? */
bool dns_channel_full(const struct dns_channel *);

/* Sets of name servers: those of now, and former ones that had questions when
 * last somebody asked. */
size_t dns_channel_count(const struct dns_channel *);

#endif
