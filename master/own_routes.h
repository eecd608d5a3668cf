/* Which routes lead to this host. */
#ifndef MASTER_OWN_ROUTES_H
#define MASTER_OWN_ROUTES_H

#include <stddef.h>
#include <stdint.h>

#include "common/net/addr.h"

/* Called for each route, with its prefix's length. 0: go on; another value ends
 * the search and is returned. */
struct own_routes {
	int (*add)(void *arg, const struct addr *, unsigned bits);
	void *arg;
	/* Of our packets that have one; others have none. */
	const uint32_t *marks;
	size_t nmarks;
};

/*
 * Tells of all routes of a family (AF_INET, AF_INET6) by which packets to an
 * address end here: local ones, anycast and broadcast addresses, of each table
 * in which a packet of ours may be looked up. One that only packets from
 * elsewhere, or with another mark, get to is left out, as is a route for all
 * addresses: so transparent proxies catch what passes by. 0 or -errno.
 */
int own_routes_find(const struct own_routes *, int family);

#endif
