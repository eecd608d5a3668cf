#include "common/guard.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct guard_range {
	const char *prefix, *name;
};

static const struct guard_range ranges[] = {
#define GUARD(prefix, name) { prefix, name },
#include "common/guard.def"
#undef GUARD
};

#define NRANGES (sizeof(ranges) / sizeof(ranges[0]))

struct guard {
	struct cidr special[NRANGES]; /* ranges[], parsed */
	struct addr *own;	      /* unwrapped, also the listeners' */
	size_t nown;
	uint16_t *ports; /* of the listeners */
	size_t nports;
};

static struct cidr
range_cidr(const struct guard_range *range)
{
	struct cidr cidr;
	int r;

	r = cidr_parse(&cidr, range->prefix, strlen(range->prefix));
	assert(r == 0);
	(void)r;
	return (cidr);
}

int
guard_new(struct guard **guard, const struct addr *own, size_t nown,
    const struct addr *listeners, size_t nlisteners)
{
	struct guard *g = calloc(1, sizeof(*g));
	size_t i;

	if (g == NULL)
		return (-ENOMEM);
	/* One more than needed: an empty list is no failure of calloc. */
	g->own = calloc(nown + nlisteners + 1, sizeof(*g->own));
	g->ports = calloc(nlisteners + 1, sizeof(*g->ports));
	if (g->own == NULL || g->ports == NULL) {
		guard_free(g);
		return (-ENOMEM);
	}
	for (i = 0; i < NRANGES; i++)
		g->special[i] = range_cidr(&ranges[i]);
	for (i = 0; i < nown; i++)
		g->own[g->nown++] = own[i];
	for (i = 0; i < nlisteners; i++) {
		g->own[g->nown++] = listeners[i];
		g->ports[g->nports++] = listeners[i].port;
	}
	for (i = 0; i < g->nown; i++)
		addr_unwrap(&g->own[i]);
	*guard = g;
	return (0);
}

void
guard_free(struct guard *g)
{
	if (g == NULL)
		return;
	free(g->own);
	free(g->ports);
	free(g);
}

/*
 * Loopback is ours whether or not it was listed, and Linux takes a connection
 * to the unspecified address to loopback.
 */
static bool
is_always_own(const struct addr *a)
{
	static const uint8_t zero[16], loopback6[16] = { [15] = 1 };

	if (a->family == AF_INET)
		return (a->ip[0] == 127 || memcmp(a->ip, zero, 4) == 0);
	return (
	    memcmp(a->ip, zero, 16) == 0 || memcmp(a->ip, loopback6, 16) == 0);
}

static bool
is_own_listener(const struct guard *g, const struct addr *a)
{
	size_t i;

	/* Ports first: hardly any address passes this. */
	for (i = 0; i < g->nports && g->ports[i] != a->port; i++)
		;
	if (i == g->nports)
		return (false);
	if (is_always_own(a))
		return (true);
	for (i = 0; i < g->nown; i++)
		if (addr_equal_ip(&g->own[i], a))
			return (true);
	return (false);
}

enum reason
guard_check(const struct guard *g, const struct addr *addr,
    const struct cidr *networks, size_t n, const char **why)
{
	struct addr a = *addr;
	size_t i;

	addr_unwrap(&a);
	if (is_own_listener(g, &a))
		return (REASON_OWN_LISTENER);
	for (i = 0; i < n; i++)
		if (cidr_names(&networks[i], addr))
			return (REASON_NONE);
	for (i = 0; i < NRANGES; i++)
		if (cidr_contains(&g->special[i], &a))
			break;
	if (i == NRANGES && a.family != 0)
		return (REASON_NONE);
	if (why != NULL)
		*why = i < NRANGES ? ranges[i].name : "No address";
	return (REASON_GUARD);
}

/* Parses the table anew each time: for explanations, not for each dial. */
const char *
guard_special(const struct addr *addr)
{
	struct addr a = *addr;
	struct cidr cidr;
	size_t i;

	addr_unwrap(&a);
	for (i = 0; i < NRANGES; i++) {
		cidr = range_cidr(&ranges[i]);
		if (cidr_contains(&cidr, &a))
			return (ranges[i].name);
	}
	return (NULL);
}
