/* Looks a name up: in the hosts file, in the cache, then at the name
 * servers. */
#include "worker/dns/resolver.h"

#include <errno.h>
#include <stdlib.h>

#include "common/base/clock.h"
#include "common/net/hosts.h"
#include "worker/dns/resolver_state.h"

_Static_assert(RESOLVER_ADDRS_MAX == DNS_MESSAGE_ADDRS_MAX &&
		   RESOLVER_DETAIL_SIZE >= DNS_SAID_SIZE,
    "an answer of the channel is no larger than one of ours");

static const struct dns_terms terms = {
	.resolv_conf = "/etc/resolv.conf",
	.port = 53,
	.interval = 5 * CLOCK_SEC,
	.again = 5 * CLOCK_SEC,
};

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

/* Too many are asked already: as if the servers had failed. */
static void
answer_full(struct resolver *r, struct resolver_query *q, struct dns_entry *old)
{
	log_write_rate(r->log, &r->full_rate, LOG_LEVEL_WARNING,
	    "resolver: too many questions are under way; a further one is not "
	    "asked");
	if (old != NULL)
		resolver_tell(r, q, old, true, true);
	else
		resolver_tell_failure(
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
		resolver_count(r, STAT_DNS_HITS);
		resolver_tell(r, q, e, true, dns_entry_stale(e, now));
	} else if (resolver_question_join(r, q, &key)) {
		;
	} else if (dns_channel_full(r->channel, resolver_client(q))) {
		answer_full(r, q, e);
	} else {
		resolver_question_ask(r, q, &key, e);
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
	return (!known && !resolver_question_asked(r, &key));
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
	r->task.cb = resolver_question_task;
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
	if (slot != NULL)
		dns_channel_publish(r->channel, &slot->servers);
	*out = r;
	return (0);
}

void
resolver_free(struct resolver *r)
{
	if (r == NULL)
		return;
	loop_undefer(r->loop, &r->task);
	dns_channel_free(r->channel);
	resolver_question_fini(r);
	dns_store_free(r->store);
	dns_cache_free(r->cache);
	free(r);
}
