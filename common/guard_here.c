/* Asks the kernel whether an address leads to this host. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "common/fd.h"
#include "common/guard.h"

/* Nobody's, and nobody can be given them. */
#define NOBODY4 "255.255.255.254"
#define NOBODY6 "100::ffff:ffff:ffff:fffe"

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
 * May a socket be bound to the address? By the kernel's tables that is a
 * question for addresses of this host, those of broadcasts and blocks that are
 * routed here (IPv4) included. A socket that could not be bound serves again.
 */
static bool
can_bind(struct guard_probe *p, const struct addr *addr)
{
	int *fd = &p->fds[addr->family == AF_INET6], error = 0;
	struct sockaddr_storage ss;
	struct addr a = *addr;
	socklen_t len;

	if (*fd == -1)
		*fd = socket(addr->family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (*fd == -1)
		return (false);
	a.port = 0;
	len = addr_to_sockaddr(&a, &ss);
	if (bind(*fd, (struct sockaddr *)&ss, len) == -1)
		error = errno;
	else
		fd_close(fd);
	/* EADDRINUSE: no port is free, which is looked at after the address. */
	return (error == 0 || error == EADDRINUSE);
}

bool
guard_leads_here(struct guard_probe *p, const struct addr *addr)
{
	struct addr a = *addr, nobody;
	const char *text;

	addr_unwrap(&a);
	if (a.family == 0 || !can_bind(p, &a))
		return (false);
	text = a.family == AF_INET ? NOBODY4 : NOBODY6;
	return (addr_parse_ip(&nobody, text, strlen(text)) == 0 &&
		!can_bind(p, &nobody));
}
