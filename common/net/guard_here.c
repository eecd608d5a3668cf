/* Asks the kernel whether an address leads to this host. */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "common/base/fd.h"
#include "common/net/guard.h"

void
guard_probe_init(struct guard_probe *p)
{
	p->fds[0] = p->fds[1] = -1;
}

void
guard_probe_fini(struct guard_probe *p)
{
	fd_close(&p->fds[0]);
	fd_close(&p->fds[1]);
}

/*
 * Multicast could leave by the device of an address that is this host's, by its
 * interfaces or by the routes of the table "local" (Linux 6.1, ip_dev_find()).
 * Bind(2) would ask the same, but for net.ipv4.ip_nonlocal_bind, and it is
 * nothing that a worker should be able to do.
 */
static bool
leads_here4(int fd, const struct addr *a)
{
	struct ip_mreqn request = { .imr_ifindex = 0 };

	memcpy(&request.imr_address, a->ip, 4);
	return (setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &request,
		    sizeof(request)) == 0);
}

/*
 * The source of what is sent to an address of this host is that very address
 * (RFC 6724 section 5, rule 1). Nothing is sent.
 */
static bool
leads_here6(int fd, const struct addr *a)
{
	static const struct sockaddr nowhere = { .sa_family = AF_UNSPEC };
	struct sockaddr_storage ss;
	socklen_t len = addr_to_sockaddr(a, &ss);
	struct addr source = { 0 };

	/* Port 0 is no destination. */
	((struct sockaddr_in6 *)&ss)->sin6_port = htons(9);
	if (connect(fd, (struct sockaddr *)&ss, len) == -1)
		return (false);
	len = sizeof(ss);
	if (getsockname(fd, (struct sockaddr *)&ss, &len) == 0)
		(void)addr_from_sockaddr(&source, (struct sockaddr *)&ss, len);
	/* The next one is not to go out by this one's source. */
	(void)connect(fd, &nowhere, sizeof(nowhere));
	return (addr_equal_ip(&source, a));
}

bool
guard_leads_here(struct guard_probe *p, const struct addr *addr)
{
	struct addr a = *addr;
	int *fd;

	addr_unwrap(&a);
	if (a.family == 0)
		return (false);
	fd = &p->fds[a.family == AF_INET6];
	if (*fd == -1)
		*fd = socket(a.family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (*fd == -1)
		return (false);
	return (
	    a.family == AF_INET ? leads_here4(*fd, &a) : leads_here6(*fd, &a));
}
