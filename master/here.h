/* Whether this host has an address now. */
#ifndef MASTER_HERE_H
#define MASTER_HERE_H

#include <stdbool.h>

struct addr;

/*
 * Can a connection leave by that address, or come to it? 0: it can; the
 * unspecified address always can. -EADDRNOTAVAIL: this host does not have it,
 * whatever net.ipv4.ip_nonlocal_bind and net.ipv6.ip_nonlocal_bind say, or it
 * is of IPv6 and still being looked for elsewhere (RFC 4862, 5.4). Other
 * -errno: that cannot be told. The port is of no account.
 */
int here_find(const struct addr *);

#endif
