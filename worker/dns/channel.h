/*
 * Questions to name servers. Where the configuration names no servers, those
 * of resolv.conf are asked, as it is at the time.
 */
#ifndef WORKER_DNS_CHANNEL_H
#define WORKER_DNS_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "common/conf/conf.h"
#include "worker/dns/cache.h"
#include "worker/dns/message.h"
#include "worker/loop/timer.h"

struct dns_channel;
struct dns_set;
struct log;
struct loop;
struct servers;

/*
 * More are not asked at a time: c-ares 1.18 looks for an unused query id for
 * ever when all 65536 are in use, and the more there are the likelier a forged
 * answer fits one.
 */
#define DNS_CHANNEL_QUESTIONS_MAX 4096

/* Who is asked where the configuration names no servers, and when what is
 * known of name servers is put to the test. */
struct dns_terms {
	const char *resolv_conf;
	uint16_t port;	  /* of its servers; the file cannot name one */
	int64_t interval; /* ns, of looks whether it is another file now */
	int64_t again;	  /* ns, after which a silent server is tried anew */
};

/* What the servers said, each with its address. */
#define DNS_SAID_SIZE 160

/*
 * A question, embedded in its owner, who sets key (whose name lives as long)
 * and cb, and keeps it until cb is called. What cb is told is borrowed for the
 * call, and its reason may also be DNS_TIMEOUT, DNS_FAILED or NO_MEMORY; NULL:
 * the channel is being freed.
 */
struct dns_question {
	struct dns_key key;
	uint64_t client; /* for whom it is asked; 0: nobody in particular */
	void (*cb)(struct dns_question *, const struct dns_result *);

	/* the channel's own */
	struct dns_set *set;		   /* who are asked */
	struct dns_client *who;		   /* whose share it is of */
	LIST_HEAD(, dns_attempt) attempts; /* not answered, the last first */
	struct dns_server *awaited;	   /* to be asked by TCP */
	struct dns_stream *stream;	   /* by that it is asked; NULL: none */
	bool in_line;			   /* for a place among the streams */
	int64_t place_until;		   /* at the most */
	struct timer timer;		   /* of that, or of a try by UDP */
	TAILQ_ENTRY(dns_question) line;
	const struct dns_course *course;
	uint8_t order[NAMESERVERS_MAX]; /* of the set's servers */
	unsigned tries;			/* so far, at all servers */
	int64_t until;			/* no answer before: a time-out */
	bool failed; /* a server said so; else all timed out */
	bool no_memory;
	bool shortage;			    /* something of our own was short */
	const char *words[NAMESERVERS_MAX]; /* of each, as in order; static */
	bool joined; /* when its last try was under way */
	bool is_due;
	TAILQ_ENTRY(dns_question) due;
};

/*
 * conf, terms and log are borrowed for the channel's life. To be called after
 * the fork. 0 or -errno.
 */
int dns_channel_new(struct dns_channel **, struct loop *,
    const struct conf_dns *, const struct dns_terms *, struct log *);

/* Publishes from now on how the name servers are there. */
void dns_channel_publish(struct dns_channel *, struct servers *);

/* Ends all questions. NULL is let pass. */
void dns_channel_free(struct dns_channel *);

/*
 * Asks. cb is called exactly once, possibly before this returns and from
 * within c-ares: it may free the question, and must not ask another or free
 * the channel. The channel must not be full for its client.
 */
void dns_channel_ask(struct dns_channel *, struct dns_question *);

/*
 * One more client waits for the answer to a question that is under way: it is
 * of the share of that one which has the fewer questions. One that comes when
 * nothing more would be sent has each server asked once more, if all are
 * silent; those who come after that have not.
 */
void dns_channel_join(
    struct dns_channel *, struct dns_question *, uint64_t client);

/*
 * Are too many questions under way for another one of this client? None may
 * have more than are left to the others.
 */
bool dns_channel_full(const struct dns_channel *, uint64_t client);

/* A number that two channels have in common if they put new questions to the
 * same name servers, in the same order. */
uint64_t dns_channel_servers(const struct dns_channel *);

/* Sets of name servers: those of now, and former ones that had questions when
 * last somebody asked. */
size_t dns_channel_count(const struct dns_channel *);

#endif
