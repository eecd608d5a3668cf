#include "common/base/clock.h"
#include "common/log/log.h"
#include "worker/tunnel/state.h"

bool
tunnel_is_probe(const struct tunnel *t)
{
	return (t->silent && !t->all->boot->conf->log.silent_connections);
}

void
tunnel_audit(struct tunnel *t, enum audit_event event)
{
	const struct boot *boot = t->all->boot;
	struct audit_record r = {
		.event = event,
		.tunnel = t->number,
		.worker = boot->worker,
		.generation = boot->generation,
		.start = t->wall,
		.client = t->client_addr,
		.listener = t->listener->address,
		.target = t->target,
		.rule = t->rule != NULL ? t->rule->name : NULL,
		.decision = t->decision,
		.would_deny = t->would_deny,
		.identity = t->identity,
		.proxy = t->proxy,
		.line = t->terms != NULL && t->terms->line != NULL
			    ? t->terms->line->name
			    : NULL,
		.reason = t->reason,
		.detail = t->detail,
		.tried = t->dialled.tried,
		.ntried = t->dialled.ntried,
		.upstream = t->dialled.upstream,
		.egress = t->dialled.egress,
		.tls_version = t->tls_version,
		.tls_cipher = t->tls_cipher,
		.resumed = t->resumed,
		.client_truncated = t->client.truncated,
		.hello_ns = t->hello,
		.handshake_ns = t->handshake,
		.dns_ns = t->dialled.dns_ns,
		.connect_ns = t->dialled.connect_ns,
		.total_ns = clock_now() - t->accepted,
		.bytes_from_client = t->client.received - tunnel_prefaced(t),
		.bytes_from_upstream = t->upstream.received,
		.closed_first = t->closed_first,
	};

	if (t->client.tls != NULL)
		r.server_name =
		    tls_server_name(t->client.tls, &r.server_name_len);
	/* A line that is lost is counted by the sink, and reported. */
	(void)audit_write(boot->audit, boot->conf->log.format, &r);
}

void
tunnel_log_end(struct tunnel *t)
{
	const struct boot *boot = t->all->boot;
	char client[ADDR_TEXT_SIZE], target[TARGET_TEXT_SIZE] = "no target";
	bool quiet =
	    reason_class(t->reason) == REASON_CLASS_GOOD || tunnel_is_probe(t);
	enum log_level level = quiet ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO;

	addr_format(&t->client_addr, client);
	if (t->target != NULL)
		target_format(t->target, target);
	log_write_rate(boot->log, &t->all->rate[t->reason], level,
	    "tunnel %u-%u-%llu: %s to %s: %s: %s%s%s", boot->generation,
	    boot->worker, (unsigned long long)t->number, client, target,
	    reason_name(t->reason), reason_text(t->reason),
	    t->detail != NULL && *t->detail != '\0' ? ": " : "",
	    t->detail != NULL ? t->detail : "");
}
