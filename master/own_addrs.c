/* Collects the addresses of interfaces, and the routes that lead here. */
#include "master/own_addrs.h"

#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "master/own_routes.h"

struct list {
	struct cidr *cidrs;
	size_t n, room;
};

static int
add(struct list *l, const struct addr *addr, unsigned bits)
{
	size_t room = l->room > 0 ? l->room * 2 : 64;
	struct addr a = *addr;
	struct cidr *cidrs;

	if (l->n == l->room) {
		cidrs = realloc(l->cidrs, room * sizeof(*cidrs));
		if (cidrs == NULL)
			return (-ENOMEM);
		l->cidrs = cidrs;
		l->room = room;
	}
	l->cidrs[l->n] =
	    (struct cidr){ .family = a.family, .bits = (uint16_t)bits };
	memcpy(l->cidrs[l->n].ip, a.ip, sizeof(a.ip));
	l->n++;
	return (0);
}

static int
add_sockaddr(struct list *l, const struct sockaddr *sa)
{
	struct addr a;

	if (sa == NULL ||
	    addr_from_sockaddr(&a, sa, sizeof(struct sockaddr_storage)) != 0)
		return (0);
	addr_unwrap(&a);
	return (add(l, &a, a.family == AF_INET ? 32 : 128));
}

static int
add_interfaces(struct list *l)
{
	struct ifaddrs *all, *i;
	int error = 0;

	if (getifaddrs(&all) != 0)
		return (-errno);
	for (i = all; error == 0 && i != NULL; i = i->ifa_next) {
		error = add_sockaddr(l, i->ifa_addr);
		if (error == 0 && (i->ifa_flags & IFF_BROADCAST) != 0)
			error = add_sockaddr(l, i->ifa_broadaddr);
	}
	freeifaddrs(all);
	return (error);
}

static int
add_route(void *arg, const struct addr *addr, unsigned bits)
{
	return (add(arg, addr, bits));
}

/* More than the interfaces' where it can be had: some containers have no routes
 * to ask for. */
static int
add_routes(struct list *l, const struct conf *conf)
{
	struct own_routes routes = { .add = add_route, .arg = l };
	uint32_t *marks = calloc(conf->negress + 1, sizeof(*marks));
	size_t i;

	if (marks == NULL)
		return (-ENOMEM);
	for (i = 0; i < conf->negress; i++)
		if (conf->egress[i].mark != 0)
			marks[routes.nmarks++] = (uint32_t)conf->egress[i].mark;
	routes.marks = marks;
	(void)own_routes_find(&routes, AF_INET);
	(void)own_routes_find(&routes, AF_INET6);
	free(marks);
	return (0);
}

int
own_addrs_find(const struct conf *conf, struct cidr **out, size_t *n)
{
	struct list l = { NULL, 0, 0 };
	int error = add_interfaces(&l);

	if (error == 0)
		error = add_routes(&l, conf);
	if (error != 0) {
		free(l.cidrs);
		return (error);
	}
	*out = l.cidrs;
	*n = l.n;
	return (0);
}
