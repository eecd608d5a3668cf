/* Publishes what a worker knows of name servers, and reads what others do. */
#include "common/shm/servers.h"

#include <netinet/in.h>
#include <string.h>

#include "common/shm/stats.h"

#define LOOKS_MAX 100

static uint64_t
load(const _Atomic uint64_t *n)
{
	return (atomic_load_explicit(n, memory_order_relaxed));
}

static void
store(_Atomic uint64_t *n, uint64_t value)
{
	atomic_store_explicit(n, value, memory_order_relaxed);
}

static void
set(struct servers_entry *e, const struct nameserver *where)
{
	uint64_t words[SERVERS_WORDS] = { 0 };
	size_t i;

	memcpy(words, where, sizeof(*where));
	for (i = 0; i < SERVERS_WORDS; i++)
		store(&e->where[i], words[i]);
	store(&e->asked, 0);
	store(&e->unanswered, 0);
	store(&e->state, SERVERS_ANSWERS);
}

void
servers_set(struct servers *s, const struct nameserver *servers, size_t n)
{
	uint64_t change = load(&s->change);
	size_t i;

	store(&s->change, change + 1);
	atomic_thread_fence(memory_order_release);
	for (i = 0; i < n && i < NAMESERVERS_MAX; i++)
		set(&s->entries[i], &servers[i]);
	store(&s->n, i);
	atomic_store_explicit(&s->change, change + 2, memory_order_release);
}

static void
get(struct servers_seen *seen, const struct servers_entry *e)
{
	uint64_t words[SERVERS_WORDS], state = load(&e->state);
	size_t i;

	for (i = 0; i < SERVERS_WORDS; i++)
		words[i] = load(&e->where[i]);
	memcpy(&seen->where, words, sizeof(seen->where));
	seen->asked = load(&e->asked);
	seen->unanswered = load(&e->unanswered);
	seen->state =
	    state < SERVERS_STATES ? (enum servers_state)state : SERVERS_SILENT;
}

/* Is it an address, and its zone a word? */
static bool
is_sound(const struct nameserver *where)
{
	size_t i;

	if (where->addr.family != AF_INET && where->addr.family != AF_INET6)
		return (false);
	for (i = 0; i < sizeof(where->zone) && where->zone[i] != '\0'; i++)
		if (where->zone[i] <= ' ' || where->zone[i] > '~' ||
		    strchr("\"\\", where->zone[i]) != NULL)
			return (false);
	return (i < sizeof(where->zone));
}

size_t
servers_read(
    const struct shm *shm, int slot, struct servers_seen seen[NAMESERVERS_MAX])
{
	const struct servers *s = &stats_slot(shm, slot)->servers;
	unsigned looks = 0;
	uint64_t change;
	size_t i, n, sound = 0;

	do {
		if (looks++ == LOOKS_MAX)
			return (0);
		change = atomic_load_explicit(&s->change, memory_order_acquire);
		n = load(&s->n) < NAMESERVERS_MAX ? load(&s->n)
						  : NAMESERVERS_MAX;
		for (i = 0; i < n; i++)
			get(&seen[i], &s->entries[i]);
		atomic_thread_fence(memory_order_acquire);
	} while (change % 2 != 0 || load(&s->change) != change);
	for (i = 0; i < n; i++)
		if (is_sound(&seen[i].where))
			seen[sound++] = seen[i];
	return (sound);
}

const char *
servers_state_name(enum servers_state state)
{
	static const char *const names[] = {
		[SERVERS_ANSWERS] = "answers",
		[SERVERS_SILENT_TO_IPV4] = "silent_to_ipv4",
		[SERVERS_SILENT_TO_IPV6] = "silent_to_ipv6",
		[SERVERS_SILENT] = "silent",
	};

	return (names[state]);
}
