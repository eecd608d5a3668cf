/* Asks the kernel what this host has, as it stands now. */
#include "master/here.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "common/base/fd.h"
#include "common/net/addr.h"
#include "common/net/guard.h"

/* It answers at once or never. */
#define ANSWER_SECONDS 5

/* As a tunnel will (worker/dial/egress.c); so no port is taken yet. */
static int
try_bind(const struct addr *addr)
{
	static const int on = 1;
	struct sockaddr_storage ss;
	socklen_t len = addr_to_sockaddr(addr, &ss);
	int error = 0, fd;

	fd = socket(addr->family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return (-errno);
	if (setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on,
		sizeof(on)) != 0 ||
	    bind(fd, (struct sockaddr *)&ss, len) != 0)
		error = -errno;
	fd_close(&fd);
	return (error);
}

struct route_request {
	struct nlmsghdr header;
	struct rtmsg route;
	struct rtattr attribute;
	uint8_t ip[16];
};

static int
send_request(int fd, const struct addr *addr)
{
	struct timeval patience = { .tv_sec = ANSWER_SECONDS };
	struct route_request r = {
		.header = { .nlmsg_len = sizeof(r),
		    .nlmsg_type = RTM_GETROUTE,
		    .nlmsg_flags = NLM_F_REQUEST },
		.route = { .rtm_family = AF_INET6, .rtm_dst_len = 128 },
		.attribute = { .rta_len = RTA_LENGTH(16), .rta_type = RTA_DST },
	};

	memcpy(r.ip, addr->ip, sizeof(r.ip));
	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience,
		sizeof(patience)) != 0 ||
	    send(fd, &r, sizeof(r), 0) < 0)
		return (-errno);
	return (0);
}

/* Do packets to it end on this host? Those to a block that is routed here do,
 * too. */
static int
leads_here6(const struct addr *addr)
{
	union {
		struct nlmsghdr header;
		char bytes[4096];
	} answer;
	const struct rtmsg *route = NLMSG_DATA(&answer.header);
	ssize_t n = 0;
	int error, fd;

	fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	if (fd < 0)
		return (-errno);
	error = send_request(fd, addr);
	if (error == 0) {
		n = recv(fd, &answer, sizeof(answer), 0);
		error = n < 0 ? -errno : 0;
	}
	fd_close(&fd);
	if (error != 0)
		return (error);
	/* Else there is no route at all. */
	if (n < (ssize_t)NLMSG_LENGTH(sizeof(*route)) ||
	    answer.header.nlmsg_type != RTM_NEWROUTE ||
	    (route->rtm_type != RTN_LOCAL && route->rtm_type != RTN_ANYCAST))
		return (-EADDRNOTAVAIL);
	return (0);
}

static bool
leads_here4(const struct addr *addr)
{
	struct guard_probe probe;
	bool here;

	guard_probe_init(&probe);
	here = guard_leads_here(&probe, addr);
	guard_probe_fini(&probe);
	return (here);
}

int
here_find(const struct addr *addr, bool *foreign)
{
	static const uint8_t any[sizeof(addr->ip)];
	struct addr a = *addr;
	int error;

	if (foreign != NULL)
		*foreign = false;
	if (memcmp(a.ip, any, sizeof(any)) == 0)
		return (0);
	a.port = 0;
	error = try_bind(&a);
	if (error != 0)
		return (error);
	if (a.family == AF_INET)
		error = leads_here4(&a) ? 0 : -EADDRNOTAVAIL;
	else
		error = leads_here6(&a);
	/* Where netlink cannot be had, what bind(2) says is all there is. */
	if (error != -EADDRNOTAVAIL)
		return (0);
	if (foreign != NULL)
		*foreign = true;
	return (error);
}

enum lines_device
here_device(const char *name)
{
	struct ifreq request = { .ifr_flags = 0 };
	const short both = IFF_UP | IFF_RUNNING;
	int fd, error;

	if (name == NULL)
		return (LINES_DEVICE_ANY);
	if (if_nametoindex(name) == 0)
		return (LINES_DEVICE_MISSING);
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return (LINES_DEVICE_UP);
	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	error = ioctl(fd, SIOCGIFFLAGS, &request) != 0 ? -errno : 0;
	fd_close(&fd);
	if (error == -ENODEV)
		return (LINES_DEVICE_MISSING);
	if (error != 0 || (request.ifr_flags & both) == both)
		return (LINES_DEVICE_UP);
	return (LINES_DEVICE_DOWN);
}
