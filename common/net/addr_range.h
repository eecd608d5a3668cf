/* Sets of addresses as sorted ranges, for lists that are too long to go
 * through one by one. */
#ifndef COMMON_NET_ADDR_RANGE_H
#define COMMON_NET_ADDR_RANGE_H

#include <stdbool.h>
#include <stddef.h>

#include "common/net/addr.h"

/* From low to high; the ports are 0, so that memcmp() sorts addresses. */
struct addr_range {
	struct addr low, high;
};

/* The range of all addresses in a block. */
struct addr_range addr_range_of(const struct cidr *);

/* Sorts ranges and joins those that overlap; returns how many are left. */
size_t addr_ranges_merge(struct addr_range *, size_t n);

/* Is the address, whose port is ignored, in one of the n merged ranges? */
bool addr_ranges_contain(
    const struct addr_range *, size_t n, const struct addr *);

#endif
