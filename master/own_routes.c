/* Asks the kernel for its rules, and for routes that lead to this host. */
#include "master/own_routes.h"

#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

/* Of one answer; the kernel fills no more where it is offered that. */
#define ANSWER_SIZE 32768

/* It answers at once or never. */
#define ANSWER_SECONDS 5

/* A table that rules lead to; more of them than there is room for are taken
 * for such that our packets are looked up in. */
struct table {
	uint32_t number;
	bool ours;
};

#define TABLES_MAX 4096

struct search {
	const struct own_routes *routes;
	int fd, family;
	char *answer;
	struct table *tables;
	size_t ntables;
};

/*
 * Messages
 */

/* What stands in an attribute of four bytes. */
static uint32_t
number_in(const struct rtattr *at, uint32_t otherwise)
{
	uint32_t number = otherwise;

	if (RTA_PAYLOAD(at) >= sizeof(number))
		memcpy(&number, RTA_DATA(at), sizeof(number));
	return (number);
}

/* Reads one answer. 1: that was the last, 0: there are more; -errno. */
static int
read_answer(
    struct search *s, int (*take)(struct search *, const struct nlmsghdr *))
{
	const struct nlmsghdr *h = (void *)s->answer;
	ssize_t len = recv(s->fd, s->answer, ANSWER_SIZE, 0);
	int error;

	if (len <= 0)
		return (len == 0 ? -EIO : -errno);
	for (; NLMSG_OK(h, (size_t)len); h = NLMSG_NEXT(h, len)) {
		if (h->nlmsg_type == NLMSG_DONE)
			return (1);
		if (h->nlmsg_type == NLMSG_ERROR)
			return (
			    ((const struct nlmsgerr *)NLMSG_DATA(h))->error);
		error = take(s, h);
		if (error != 0)
			return (error);
	}
	return (0);
}

/* Asks for a list; what of it is wanted says type, where the kernel heeds it.
 * rtmsg and fib_rule_hdr are alike. */
static int
ask(struct search *s, unsigned short what, unsigned char type,
    int (*take)(struct search *, const struct nlmsghdr *))
{
	struct {
		struct nlmsghdr header;
		struct rtmsg route;
	} message = { .header = { .nlmsg_len = sizeof(message),
			  .nlmsg_type = what,
			  .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP },
		.route = { .rtm_family = (unsigned char)s->family,
		    .rtm_type = type } };
	int error = 0;

	if (send(s->fd, &message, sizeof(message), 0) == -1)
		return (-errno);
	while (error == 0)
		error = read_answer(s, take);
	return (error < 0 ? error : 0);
}

/*
 * Rules
 */

static struct table *
find_table(const struct search *s, uint32_t number)
{
	size_t i;

	for (i = 0; i < s->ntables; i++)
		if (s->tables[i].number == number)
			return (&s->tables[i]);
	return (NULL);
}

/* Is it the mark of a packet of ours? */
static bool
is_our_mark(const struct search *s, uint32_t mark, uint32_t mask)
{
	size_t i;

	if (mark == 0)
		return (true);
	for (i = 0; i < s->routes->nmarks; i++)
		if ((s->routes->marks[i] & mask) == mark)
			return (true);
	return (false);
}

/* Notes the table that a rule leads to, and whether it does so for ours. */
static int
take_rule(struct search *s, const struct nlmsghdr *h)
{
	const struct fib_rule_hdr *rule = NLMSG_DATA(h);
	const struct rtattr *at = RTM_RTA(NLMSG_DATA(h));
	int left = (int)RTM_PAYLOAD(h);
	uint32_t number = rule->table, mark = 0, mask = UINT32_MAX;
	bool elsewhere = false;
	struct table *table;

	if (h->nlmsg_type != RTM_NEWRULE || rule->action != FR_ACT_TO_TBL)
		return (0);
	for (; RTA_OK(at, left); at = RTA_NEXT(at, left)) {
		if (at->rta_type == FRA_TABLE)
			number = number_in(at, number);
		else if (at->rta_type == FRA_FWMARK)
			mark = number_in(at, mark);
		else if (at->rta_type == FRA_FWMASK)
			mask = number_in(at, mask);
		else if (at->rta_type == FRA_IIFNAME)
			elsewhere =
			    strncmp(RTA_DATA(at), "lo", RTA_PAYLOAD(at)) != 0;
	}
	table = find_table(s, number);
	if (table == NULL && s->ntables < TABLES_MAX) {
		table = &s->tables[s->ntables++];
		*table = (struct table){ .number = number };
	}
	if (table != NULL && ((rule->flags & FIB_RULE_INVERT) != 0 ||
				 (!elsewhere && is_our_mark(s, mark, mask))))
		table->ours = true;
	return (0);
}

/*
 * Routes
 */

static bool
leads_here(const struct rtmsg *rt)
{
	return (rt->rtm_type == RTN_LOCAL || rt->rtm_type == RTN_ANYCAST ||
		rt->rtm_type == RTN_BROADCAST);
}

static int
take_route(struct search *s, const struct nlmsghdr *h)
{
	const struct rtmsg *rt = NLMSG_DATA(h);
	const struct rtattr *at = RTM_RTA(rt);
	size_t size = rt->rtm_family == AF_INET ? 4 : 16;
	int left = (int)RTM_PAYLOAD(h);
	struct addr a = { .family = rt->rtm_family };
	uint32_t number = rt->rtm_table;
	const struct table *table;

	if (h->nlmsg_type != RTM_NEWROUTE || !leads_here(rt))
		return (0);
	for (; RTA_OK(at, left); at = RTA_NEXT(at, left)) {
		if (at->rta_type == RTA_DST && RTA_PAYLOAD(at) >= size)
			memcpy(a.ip, RTA_DATA(at), size);
		else if (at->rta_type == RTA_TABLE)
			number = number_in(at, number);
	}
	table = find_table(s, number);
	if ((table != NULL && !table->ours) ||
	    (rt->rtm_dst_len == 0 && number != RT_TABLE_LOCAL))
		return (0);
	return (s->routes->add(s->routes->arg, &a, rt->rtm_dst_len));
}

static int
set_patience(int fd)
{
	static const struct timeval patience = { .tv_sec = ANSWER_SECONDS };

	return (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience,
		    sizeof(patience)) == -1
		    ? -errno
		    : 0);
}

/* Linux 4.20: routes of one kind alone, where there are a million. */
static int
set_strict(int fd, int on)
{
	return (setsockopt(fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &on,
		    sizeof(on)) == -1
		    ? -errno
		    : 0);
}

static int
ask_routes(struct search *s)
{
	static const unsigned char types[] = { RTN_LOCAL, RTN_ANYCAST,
		RTN_BROADCAST };
	int error = set_strict(s->fd, 1);
	size_t i;

	for (i = 0; error == 0 && i < sizeof(types); i++)
		error = ask(s, RTM_GETROUTE, types[i], take_route);
	if (error == 0)
		return (0);
	(void)set_strict(s->fd, 0);
	return (ask(s, RTM_GETROUTE, 0, take_route));
}

int
own_routes_find(const struct own_routes *routes, int family)
{
	struct search s = { .routes = routes, .fd = -1, .family = family };
	int error = -ENOMEM;

	s.answer = malloc(ANSWER_SIZE);
	s.tables = calloc(TABLES_MAX, sizeof(*s.tables));
	if (s.answer == NULL || s.tables == NULL)
		goto out;
	s.fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	error = s.fd == -1 ? -errno : set_patience(s.fd);
	if (error != 0)
		goto out;
	/* Without rules in the kernel there are two tables, both ours. */
	(void)ask(&s, RTM_GETRULE, 0, take_rule);
	error = ask_routes(&s);
out:
	if (s.fd != -1)
		close(s.fd);
	free(s.tables);
	free(s.answer);
	return (error);
}
