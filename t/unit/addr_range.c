/* Ranges of addresses: sorted, merged, and searched at their edges. */
#include "common/net/addr_range.h"

#include <stdlib.h>

#include "t/unit/addresses.h"
#include "t/unit/tap.h"

static bool
has(const struct addr_range *r, size_t n, const char *text)
{
	struct addr a = address_of(text, 443);

	return (addr_ranges_contain(r, n, &a));
}

int
main(void)
{
	static const char *const blocks[] = { "10.0.0.0/8", "192.0.2.7",
		"2001:db8::/32", "10.1.0.0/16", "192.0.2.7", "::1",
		"255.255.255.255" };
	struct addr_range r[7];
	struct cidr c;
	size_t i, n;

	for (i = 0; i < 7; i++) {
		c = block_of(blocks[i]);
		r[i] = addr_range_of(&c);
	}
	n = addr_ranges_merge(r, 7);
	is_int(n, 5, "what overlaps is joined");
	ok(has(r, n, "10.0.0.0") && has(r, n, "10.255.255.255"), "both ends");
	ok(has(r, n, "10.2.0.0"), "a block within does not cut it short");
	ok(!has(r, n, "9.255.255.255") && !has(r, n, "11.0.0.0"), "beyond");
	ok(has(r, n, "192.0.2.7"), "one address");
	ok(!has(r, n, "192.0.2.6") && !has(r, n, "192.0.2.8"), "beside it");
	ok(has(r, n, "255.255.255.255"), "the last one");
	ok(has(r, n, "2001:db8:ffff::1"), "IPv6");
	ok(!has(r, n, "2001:db9::"), "beside it");
	ok(has(r, n, "::1") && !has(r, n, "::"), "the family counts");
	ok(!has(r, n, "0.0.0.1"), "IPv4 is not IPv6 with its bytes");
	ok(!has(NULL, 0, "10.0.0.0"), "no range has any");
	is_int(addr_ranges_merge(NULL, 0), 0, "nothing to join");
	return (done_testing());
}
