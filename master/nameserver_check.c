/* Looks at a start and a reload for name servers that cannot be asked. */
#include "master/nameserver_check.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "common/base/fd.h"
#include "common/conf/conf.h"
#include "common/net/nameserver.h"
#include "master/findings.h"

#define DNS_PORT 53

static bool
is_multicast(const struct addr *a)
{
	return (a->family == AF_INET ? (a->ip[0] & 0xf0) == 0xe0
				     : a->ip[0] == 0xff);
}

/* The kernel knows the broadcast addresses of all networks of this host, and
 * nothing is sent. */
static bool
is_broadcast(const struct sockaddr_storage *ss, socklen_t len)
{
	bool refused;
	int fd = socket(ss->ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd == -1)
		return (false);
	refused = connect(fd, (const struct sockaddr *)ss, len) == -1 &&
		  errno == EACCES;
	fd_close(&fd);
	return (refused && ss->ss_family == AF_INET);
}

/* What is wrong with it; NULL: nothing. */
static const char *
fault_of(const struct nameserver *ns)
{
	struct sockaddr_storage ss;
	socklen_t len;

	if (nameserver_to_sockaddr(ns, &ss, &len) != 0)
		return ("this host does not have this interface: while that is "
			"so, it cannot be asked");
	if (is_multicast(&ns->addr))
		return ("a multicast address cannot be asked");
	if (is_broadcast(&ss, len))
		return ("a broadcast address cannot be asked");
	return (NULL);
}

void
nameserver_check(const struct conf *conf, struct findings *f)
{
	char text[NAMESERVER_TEXT_SIZE];
	const char *fault;
	size_t i;

	for (i = 0; i < conf->dns.nservers; i++) {
		fault = fault_of(&conf->dns.servers[i]);
		if (fault == NULL)
			continue;
		nameserver_format(&conf->dns.servers[i], DNS_PORT, text);
		findings_add_at(f, LOG_LEVEL_WARNING, conf, &conf->dns.servers,
		    "%s: %s", text, fault);
	}
}
