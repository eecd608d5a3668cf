/*
 * Which server is asked next, and by which asker: one that is silent is asked
 * when the others have failed, and tried anew from time to time, beside a
 * question, so that no name waits for it.
 */
#include <errno.h>

#include "common/base/clock.h"
#include "worker/dns/channel_state.h"
#include "worker/dns/memory.h"

static struct dns_channel *
channel_of(const struct dns_server *server)
{
	return (server->set->channel);
}

struct dns_asker *
dns_choice_asker(struct dns_server *server, bool again, int *error)
{
	struct dns_asker **asker = &server->askers[again ? 1 : 0];

	/* What c-ares got from the reserve goes back with the asker that has
	 * it, once its questions have ended. */
	if (dns_memory_short())
		dns_server_renew(server);
	if (*asker != NULL && dns_asker_worn(*asker))
		dns_server_retire(server, asker);
	*error = 0;
	if (*asker == NULL)
		*error = dns_asker_new(asker, server, again);
	return (*error == 0 ? *asker : NULL);
}

/* Whether it answers is seen by what nobody waits for. */
static void
probe(struct dns_server *server, const struct dns_key *key)
{
	struct dns_channel *ch = channel_of(server);
	struct dns_asker *asker;
	int error;

	if (server->probing || loop_now(ch->loop) < server->probe_at)
		return;
	server->probe_at = loop_now(ch->loop) + ch->terms->again;
	asker = dns_choice_asker(server, false, &error);
	if (asker != NULL)
		dns_attempt_probe(asker, key);
}

void
dns_choice_order(struct dns_question *q)
{
	struct dns_set *set = q->set;
	size_t i, n = 0;

	for (i = 0; i < set->n; i++)
		if (!dns_server_silent(&set->servers[i], q->key.family))
			q->order[n++] = (uint8_t)i;
	if (n == 0 || n == set->n) { /* all the same */
		for (i = 0; i < set->n; i++)
			q->order[i] = (uint8_t)i;
		return;
	}
	for (i = 0; i < set->n; i++) {
		if (!dns_server_silent(&set->servers[i], q->key.family))
			continue;
		q->order[n++] = (uint8_t)i;
		probe(&set->servers[i], &q->key);
	}
}

void
dns_choice_fini(struct dns_server *server)
{
	size_t i;

	for (i = 0; i < DNS_ASKERS; i++)
		dns_asker_free(server->askers[i]);
}
