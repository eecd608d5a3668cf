/* Whether this host has an address, or a device, now. */
#ifndef MASTER_HERE_H
#define MASTER_HERE_H

#include <stdbool.h>

#include "common/shm/lines.h"

struct addr;

/*
 * Can a connection leave by that address, or come to it? 0: it can; the
 * unspecified address always can. -EADDRNOTAVAIL: this host does not have it,
 * or it is of IPv6 and still being looked for elsewhere (RFC 4862, 5.4);
 * *foreign (may be NULL): bind(2) takes it all the same, since
 * net.ipv4.ip_nonlocal_bind or net.ipv6.ip_nonlocal_bind is set. Other -errno:
 * that cannot be told. The port is of no account.
 */
int here_find(const struct addr *, bool *foreign);

/* A network device; NULL: any. */
enum lines_device here_device(const char *name);

#endif
