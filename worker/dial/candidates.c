/* Asks for the addresses of a name, and hands them out one by one. */
#include "worker/dial/candidates.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "common/policy/verdict.h"
#include "worker/dial/attempt.h"

static void
init(struct candidates *c)
{
	size_t i;

	memset(c, 0, offsetof(struct candidates, room));
	c->last = CANDIDATES_FAMILIES;
	for (i = 0; i < CANDIDATES_FAMILIES; i++)
		c->family[i].addrs = c->room[i];
}

void
candidates_set(struct candidates *c, const struct addr *addr)
{
	init(c);
	c->family[0].addrs[0] = *addr;
	c->family[0].naddrs = 1;
}

/*
 * Keeps the addresses, starting at any of them, so that the tunnels of a
 * cached name spread over them as its owner meant.
 */
static void
answer_cb(struct resolver_query *q, const struct resolver_answer *answer)
{
	struct candidates_family *f =
	    container_of(q, struct candidates_family, query);
	struct candidates *c = f->all;
	size_t i, n = answer->naddrs, first;

	f->answered = true;
	f->reason = answer->reason;
	if (answer->detail != NULL)
		snprintf(f->detail, sizeof(f->detail), "%s", answer->detail);
	first = n > 0 ? attempt_random(c->random) % n : 0;
	for (i = 0; i < n && i < RESOLVER_ADDRS_MAX; i++) {
		f->addrs[i] = answer->addrs[(i + first) % n];
		f->addrs[i].port = c->port;
		f->naddrs++;
	}
	c->cb(c);
}

void
candidates_ask(struct candidates *c, struct resolver *resolver,
    uint64_t *random, enum addr_family family, const struct target *target,
    struct resolver_account *account, void (*cb)(struct candidates *))
{
	int families[VERDICT_FAMILIES_MAX];
	unsigned i, n = verdict_families(family, families);

	init(c);
	c->interleave = family == ADDR_FAMILY_ANY;
	c->resolver = resolver;
	c->port = target->port;
	c->random = random;
	c->cb = cb;
	for (i = 0; i < n; i++) {
		c->family[i].all = c;
		c->family[i].af = families[i];
		c->family[i].wanted = true;
		c->family[i].query.account = account;
	}
	for (i = 0; i < n; i++)
		resolver_ask(resolver, &c->family[i].query, target->host,
		    c->family[i].af, answer_cb);
}

bool
candidates_would_ask(struct resolver *resolver, enum addr_family family,
    const struct target *target)
{
	return ((family != ADDR_FAMILY_IPV6 &&
		    resolver_would_ask(resolver, target->host, AF_INET)) ||
		(family != ADDR_FAMILY_IPV4 &&
		    resolver_would_ask(resolver, target->host, AF_INET6)));
}

void
candidates_cancel(struct candidates *c)
{
	size_t i;

	for (i = 0; i < CANDIDATES_FAMILIES && c->resolver != NULL; i++)
		resolver_cancel(c->resolver, &c->family[i].query);
}

const struct addr *
candidates_next(struct candidates *c)
{
	unsigned i, k, first = 0;

	if (c->interleave && c->last == 0)
		first = 1;
	for (k = 0; k < CANDIDATES_FAMILIES; k++) {
		i = (first + k) % CANDIDATES_FAMILIES;
		if (c->family[i].next < c->family[i].naddrs) {
			c->last = i;
			return (&c->family[i].addrs[c->family[i].next++]);
		}
	}
	return (NULL);
}

bool
candidates_any(const struct candidates *c)
{
	return (c->family[0].naddrs + c->family[1].naddrs > 0);
}

bool
candidates_preferred_awaited(const struct candidates *c)
{
	return (c->family[0].wanted && !c->family[0].answered);
}

bool
candidates_awaited(const struct candidates *c)
{
	return (candidates_preferred_awaited(c) ||
		(c->family[1].wanted && !c->family[1].answered));
}

/* Which of the two answers says more? */
enum reason
candidates_reason(const struct candidates *c)
{
	static const enum reason order[] = { REASON_NO_MEMORY,
		REASON_DNS_NOT_FOUND, REASON_DNS_TIMEOUT, REASON_DNS_FAILED };
	size_t i;

	for (i = 0; i < sizeof(order) / sizeof(order[0]); i++)
		if (c->family[0].reason == order[i] ||
		    c->family[1].reason == order[i])
			return (order[i]);
	return (REASON_DNS_NO_ADDRESS);
}

const char *
candidates_detail(const struct candidates *c, enum reason reason)
{
	size_t i;

	for (i = 0; i < CANDIDATES_FAMILIES; i++)
		if (c->family[i].reason == reason &&
		    c->family[i].detail[0] != '\0')
			return (c->family[i].detail);
	return (NULL);
}
