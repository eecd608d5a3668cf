/* Sorted ranges of addresses: made from blocks, joined, searched. */
#include "common/net/addr_range.h"

#include <stdlib.h>
#include <string.h>

struct addr_range
addr_range_of(const struct cidr *c)
{
	unsigned i, bits = c->family == AF_INET ? 32 : 128;
	struct addr_range r;

	memset(&r, 0, sizeof(r));
	r.low.family = c->family;
	memcpy(r.low.ip, c->ip, sizeof(r.low.ip));
	r.high = r.low;
	for (i = c->bits; i < bits; i++)
		r.high.ip[i / 8] |= 0x80 >> i % 8;
	return (r);
}

static int
range_compare(const void *a, const void *b)
{
	const struct addr_range *x = a, *y = b;

	return (memcmp(&x->low, &y->low, sizeof(x->low)));
}

size_t
addr_ranges_merge(struct addr_range *r, size_t n)
{
	size_t i, last = 0;

	if (n == 0)
		return (0);
	qsort(r, n, sizeof(*r), range_compare);
	for (i = 1; i < n; i++) {
		if (memcmp(&r[i].low, &r[last].high, sizeof(r->low)) > 0)
			r[++last] = r[i];
		else if (memcmp(&r[i].high, &r[last].high, sizeof(r->low)) > 0)
			r[last].high = r[i].high;
	}
	return (last + 1);
}

bool
addr_ranges_contain(
    const struct addr_range *r, size_t n, const struct addr *addr)
{
	size_t from = 0, to = n, mid;
	struct addr a = *addr;

	a.port = 0;
	while (from < to) { /* the first that begins beyond the address */
		mid = from + (to - from) / 2;
		if (memcmp(&r[mid].low, &a, sizeof(a)) <= 0)
			from = mid + 1;
		else
			to = mid;
	}
	return (from > 0 && memcmp(&r[from - 1].high, &a, sizeof(a)) >= 0);
}
