/* Sets of name servers: those that new questions are put to, and former ones,
 * which stay as long as they have a question. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/hash.h"
#include "common/shm/servers.h"
#include "worker/dns/channel_state.h"

#define DNS_PORT 53 /* left out where a server is named */

void
dns_set_free(struct dns_set *set)
{
	struct dns_asker *asker;
	size_t i;

	for (i = 0; i < set->n; i++)
		dns_choice_fini(&set->servers[i]);
	while ((asker = LIST_FIRST(&set->former)) != NULL) {
		LIST_REMOVE(asker, link);
		set->channel->former--;
		dns_asker_free(asker);
	}
	LIST_REMOVE(set, link);
	free(set);
}

/* From their texts, each of which ends with a NUL. */
static uint64_t
number_of(const struct dns_set *set)
{
	static const struct hash_key key; /* for other processes as well */
	uint64_t number = set->n;
	char text[sizeof(number) + NAMESERVER_TEXT_SIZE];
	size_t i;

	for (i = 0; i < set->n; i++) {
		memset(text, 0, sizeof(text));
		memcpy(text, &number, sizeof(number));
		strcpy(text + sizeof(number), set->servers[i].text);
		number = hash_bytes(&key, text, sizeof(text));
	}
	return (number);
}

int
dns_set_new(struct dns_channel *ch, const struct nameserver *servers, size_t n)
{
	struct dns_set *set =
	    calloc(1, sizeof(*set) + n * sizeof(set->servers[0]));
	size_t i;

	if (set == NULL)
		return (-ENOMEM);
	set->channel = ch;
	set->n = n;
	LIST_INIT(&set->former);
	for (i = 0; i < n; i++) {
		set->servers[i].set = set;
		set->servers[i].where = servers[i];
		nameserver_format(&servers[i], DNS_PORT, set->servers[i].text);
	}
	set->number = number_of(set);
	LIST_INSERT_HEAD(&ch->sets, set, link);
	dns_set_publish(ch);
	return (0);
}

void
dns_set_publish(const struct dns_channel *ch)
{
	const struct dns_set *set = LIST_FIRST(&ch->sets);
	struct nameserver where[NAMESERVERS_MAX];
	size_t i;

	if (ch->published == NULL)
		return;
	for (i = 0; i < set->n && i < NAMESERVERS_MAX; i++)
		where[i] = set->servers[i].where;
	servers_set(ch->published, where, i);
}

/* Frees former askers that are idle, since it cannot be done when their last
 * answer comes, from within c-ares. */
static void
set_drop_idle(struct dns_set *set)
{
	struct dns_asker *asker = LIST_FIRST(&set->former), *next;

	for (; asker != NULL; asker = next) {
		next = LIST_NEXT(asker, link);
		if (asker->wanted != 0)
			continue;
		LIST_REMOVE(asker, link);
		set->channel->former--;
		dns_asker_free(asker);
	}
}

void
dns_set_drop_idle(struct dns_channel *ch)
{
	struct dns_set *set = LIST_FIRST(&ch->sets), *next;

	set_drop_idle(set);
	for (set = LIST_NEXT(set, link); set != NULL; set = next) {
		next = LIST_NEXT(set, link);
		set_drop_idle(set);
		if (set->questions == 0)
			dns_set_free(set);
	}
}
