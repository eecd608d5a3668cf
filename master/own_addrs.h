/* Which addresses lead to this host, as the kernel has it now. */
#ifndef MASTER_OWN_ADDRS_H
#define MASTER_OWN_ADDRS_H

#include <stddef.h>

#include "common/conf/conf.h"
#include "common/net/addr.h"

/*
 * All of them: those of interfaces with their broadcast addresses, and what
 * else is routed to this host, such as blocks and anycast addresses, for
 * packets that leave by the lines of conf. 0 with *list of *n owned by the
 * caller; -errno.
 */
int own_addrs_find(const struct conf *, struct cidr **list, size_t *n);

#endif
