/*
 * Applies an egress line to a socket before it connects: source address,
 * device, mark.
 */
#include "worker/dial/egress.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>

#include "common/conf/conf.h"
#include "common/net/addr.h"
#include "common/shm/lines.h"

size_t
dial_egress_sources(const struct conf_egress *egress, int family)
{
	size_t i, n = 0;

	if (egress == NULL || egress->nsource == 0)
		return (1);
	for (i = 0; i < egress->nsource; i++)
		n += egress->source[i].family == family;
	return (n);
}

static const struct addr *
find_source(const struct conf_egress *egress, int family, size_t k)
{
	size_t i;

	for (i = 0; i < egress->nsource; i++)
		if (egress->source[i].family == family && k-- == 0)
			return (&egress->source[i]);
	return (NULL);
}

/*
 * The port is left to connect(2), which knows the upstream and so can use one
 * port towards many of them (ip(7), IP_BIND_ADDRESS_NO_PORT; Linux 4.2; of
 * level IPPROTO_IP for IPv6 too).
 */
static int
bind_source(int fd, const struct addr *source)
{
	static const int on = 1;
	struct sockaddr_storage ss;
	socklen_t len = addr_to_sockaddr(source, &ss);

	if (setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on,
		sizeof(on)) == -1 ||
	    bind(fd, (struct sockaddr *)&ss, len) == -1)
		return (-errno);
	return (0);
}

/* Is it missing, though bind(2) takes it? IPv6 would let connections leave by
 * it (Linux 6.1, ip6_dst_lookup_tail()). */
static bool
is_foreign(const struct dial_lines *lines, const struct conf_egress *egress,
    const struct addr *source)
{
	const struct conf_egress *e;
	size_t at = (size_t)(source - egress->source);

	if (lines->shm == NULL ||
	    !lines_any_foreign(lines->shm, lines->generation))
		return (false);
	for (e = lines->first; e < egress; e++)
		at += e->nsource;
	return (
	    lines_source(lines->shm, lines->generation, at) == LINES_FOREIGN);
}

int
dial_egress_apply(int fd, const struct conf_egress *egress,
    const struct dial_lines *lines, int family, size_t k)
{
	const struct addr *source;
	uint32_t mark;
	int error;

	if (egress == NULL)
		return (0);
	if (egress->device != NULL &&
	    setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, egress->device,
		(socklen_t)strlen(egress->device)) == -1)
		return (-errno);
	mark = (uint32_t)egress->mark;
	if (mark != 0 &&
	    setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)) == -1)
		return (-errno);
	if (egress->nsource == 0)
		return (0);
	source = find_source(egress, family, k);
	if (source == NULL)
		return (-EAFNOSUPPORT);
	error = bind_source(fd, source);
	if (error == 0 && is_foreign(lines, egress, source))
		error = -EADDRNOTAVAIL;
	return (error);
}
