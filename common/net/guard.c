/* What the guard knows, and what it says of an address. */
#include "common/net/guard.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/net/addr_range.h"

struct guard_range {
	const char *prefix, *name;
};

static const struct guard_range ranges[] = {
#define GUARD(prefix, name) { prefix, name },
#include "common/net/guard.def"
#undef GUARD
};

#define NRANGES	    (sizeof(ranges) / sizeof(ranges[0]))

#define OWN_ADDRESS "Address of this host"

struct guard {
	struct cidr special[NRANGES];	   /* ranges[], parsed */
	struct addr_range closed[NRANGES]; /* the same, merged */
	size_t nclosed;
	struct addr_range *own; /* merged; also the listeners' */
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

/* Of one address. */
static struct addr_range
range_of_addr(const struct addr *addr)
{
	struct addr a = *addr;

	addr_unwrap(&a);
	a.port = 0;
	return ((struct addr_range){ a, a });
}

int
guard_new(struct guard **guard, const struct cidr *own, size_t nown,
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
	for (i = 0; i < NRANGES; i++) {
		g->special[i] = range_cidr(&ranges[i]);
		g->closed[i] = addr_range_of(&g->special[i]);
	}
	g->nclosed = addr_ranges_merge(g->closed, NRANGES);
	for (i = 0; i < nown; i++)
		g->own[g->nown++] = addr_range_of(&own[i]);
	for (i = 0; i < nlisteners; i++) {
		g->own[g->nown++] = range_of_addr(&listeners[i]);
		g->ports[g->nports++] = listeners[i].port;
	}
	g->nown = addr_ranges_merge(g->own, g->nown);
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

/* Linux takes a connection to it to loopback, or to its own source address: it
 * names none of the addresses that it may lead to. */
static bool
is_unspecified(const struct addr *a)
{
	static const uint8_t zero[16];

	return (memcmp(a->ip, zero, sizeof(zero)) == 0);
}

/* Loopback is ours whether or not it was listed. */
static bool
is_always_own(const struct addr *a)
{
	static const uint8_t loopback6[16] = { [15] = 1 };

	if (is_unspecified(a))
		return (true);
	if (a->family == AF_INET)
		return (a->ip[0] == 127);
	return (memcmp(a->ip, loopback6, sizeof(loopback6)) == 0);
}

static bool
is_own(const struct guard *g, const struct addr *a)
{
	return (is_always_own(a) || addr_ranges_contain(g->own, g->nown, a));
}

static bool
has_port(const struct guard *g, uint16_t port)
{
	size_t i;

	for (i = 0; i < g->nports; i++)
		if (g->ports[i] == port)
			return (true);
	return (false);
}

/* Why the address, unwrapped, is refused; NULL: it is not. */
static const char *
refusal(const struct guard *g, const struct addr *a, bool own)
{
	size_t i;

	if (a->family == 0)
		return ("No address");
	if (addr_ranges_contain(g->closed, g->nclosed, a))
		for (i = 0; i < NRANGES; i++)
			if (cidr_contains(&g->special[i], a))
				return (ranges[i].name);
	return (own ? OWN_ADDRESS : NULL);
}

static enum reason
check(const struct guard *g, const struct addr *addr, bool own,
    const struct cidr *networks, size_t n, const char **why)
{
	struct addr a = *addr;
	const char *text;
	size_t i;

	addr_unwrap(&a);
	own = own || is_own(g, &a);
	if (own && has_port(g, a.port))
		return (REASON_OWN_LISTENER);
	for (i = 0; i < n && !is_unspecified(&a); i++)
		if (cidr_names(&networks[i], addr))
			return (REASON_NONE);
	text = refusal(g, &a, own);
	if (text == NULL)
		return (REASON_NONE);
	if (why != NULL)
		*why = text;
	return (REASON_GUARD);
}

enum reason
guard_check(const struct guard *g, const struct addr *addr,
    const struct cidr *networks, size_t n, const char **why)
{
	return (check(g, addr, false, networks, n, why));
}

enum reason
guard_check_own(const struct guard *g, const struct addr *addr,
    const struct cidr *networks, size_t n, const char **why)
{
	return (check(g, addr, true, networks, n, why));
}

static bool
ranges_meet(const struct addr_range *a, const struct addr_range *b)
{
	return (memcmp(&a->low, &b->high, sizeof(a->low)) <= 0 &&
		memcmp(&b->low, &a->high, sizeof(a->low)) <= 0);
}

bool
guard_closes(const struct guard *g, const struct cidr *c)
{
	struct addr_range r = addr_range_of(c);
	size_t i;

	/* Of a block of NAT64, what it carries. Either end is in it or none. */
	if (c->bits >= 96) {
		addr_unwrap(&r.low);
		addr_unwrap(&r.high);
	}
	for (i = 0; i < g->nclosed; i++)
		if (ranges_meet(&r, &g->closed[i]))
			return (true);
	for (i = 0; i < g->nown; i++)
		if (ranges_meet(&r, &g->own[i]))
			return (true);
	return (false);
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
