/* Collects the addresses of interfaces, and the routes of the table "local". */
#include "master/own_addrs.h"

#include <errno.h>
#include <ifaddrs.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

/* Of one answer; the kernel fills no more where it is offered that. */
#define ANSWER_SIZE 32768

/* It answers at once or never. */
#define ANSWER_SECONDS 5

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

/*
 * Routes
 */

/* One that leads to this host, whatever table it is in. */
static int
add_route(struct list *l, const struct nlmsghdr *h)
{
	const struct rtmsg *rt = NLMSG_DATA(h);
	const struct rtattr *at = RTM_RTA(rt);
	size_t size = rt->rtm_family == AF_INET ? 4 : 16;
	int left = (int)RTM_PAYLOAD(h);
	struct addr a = { .family = rt->rtm_family };

	if (rt->rtm_type != RTN_LOCAL && rt->rtm_type != RTN_ANYCAST &&
	    rt->rtm_type != RTN_BROADCAST)
		return (0);
	for (; RTA_OK(at, left); at = RTA_NEXT(at, left))
		if (at->rta_type == RTA_DST && RTA_PAYLOAD(at) >= size)
			memcpy(a.ip, RTA_DATA(at), size);
	return (add(l, &a, rt->rtm_dst_len));
}

/* Reads one answer. 1: that was the last, 0: there are more; -errno. */
static int
read_routes(struct list *l, int fd, char *buf)
{
	const struct nlmsghdr *h = (void *)buf;
	ssize_t len = recv(fd, buf, ANSWER_SIZE, 0);
	int error;

	if (len <= 0)
		return (len == 0 ? -EIO : -errno);
	for (; NLMSG_OK(h, (size_t)len); h = NLMSG_NEXT(h, len)) {
		if (h->nlmsg_type == NLMSG_DONE)
			return (1);
		if (h->nlmsg_type == NLMSG_ERROR)
			return (
			    ((const struct nlmsgerr *)NLMSG_DATA(h))->error);
		error = h->nlmsg_type == RTM_NEWROUTE ? add_route(l, h) : 0;
		if (error != 0)
			return (error);
	}
	return (0);
}

static int
ask_routes(int fd, int family)
{
	struct {
		struct nlmsghdr header;
		struct rtmsg route;
	} ask = { .header = { .nlmsg_len = sizeof(ask),
		      .nlmsg_type = RTM_GETROUTE,
		      .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP },
		.route = { .rtm_family = (unsigned char)family,
		    .rtm_table = RT_TABLE_LOCAL } };

	return (send(fd, &ask, sizeof(ask), 0) == -1 ? -errno : 0);
}

static int
add_routes(struct list *l, int family, char *buf)
{
	static const struct timeval patience = { .tv_sec = ANSWER_SECONDS };
	static const int on = 1;
	int fd, error;

	fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	if (fd == -1)
		return (-errno);
	/* Linux 4.20: that table alone, where there are a million routes. */
	(void)setsockopt(
	    fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &on, sizeof(on));
	error = 0;
	if (setsockopt(
		fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) == -1)
		error = -errno;
	if (error == 0)
		error = ask_routes(fd, family);
	while (error == 0)
		error = read_routes(l, fd, buf);
	close(fd);
	return (error < 0 ? error : 0);
}

int
own_addrs_find(struct cidr **out, size_t *n)
{
	struct list l = { NULL, 0, 0 };
	char *buf = malloc(ANSWER_SIZE);
	int error = buf != NULL ? add_interfaces(&l) : -ENOMEM;

	/* More than the interfaces' where it can be had: some containers have
	 * no routes to ask for. */
	if (error == 0) {
		(void)add_routes(&l, AF_INET, buf);
		(void)add_routes(&l, AF_INET6, buf);
	}
	free(buf);
	if (error != 0) {
		free(l.cidrs);
		return (error);
	}
	*out = l.cidrs;
	*n = l.n;
	return (0);
}
