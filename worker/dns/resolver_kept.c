/* What is kept of answers: in the cache, and in the store for later workers. */
#include <sys/socket.h>

#include "worker/dns/resolver_state.h"
#include "worker/dns/resolver_store.h"

void
resolver_remember_failure(struct resolver *r, struct resolver_entry *entry,
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

void
resolver_remember_answer(struct resolver *r, struct resolver_entry *entry,
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
