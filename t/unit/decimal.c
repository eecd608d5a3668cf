/* Numbers in decimal: every length, with and without zeros in front. */
#include "common/base/decimal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "t/unit/tap.h"

/* Is it what printf(3) makes of it, and not a byte more? */
static bool
same(uint64_t n)
{
	char text[DECIMAL_MAX + 1], want[DECIMAL_MAX + 1];
	size_t len;

	memset(text, '#', sizeof(text));
	snprintf(want, sizeof(want), "%" PRIu64, n);
	len = decimal_put(text, n);
	return (len == strlen(want) && memcmp(text, want, len) == 0 &&
		text[len] == '#');
}

static void
test_put(void)
{
	uint64_t n = 1;
	bool good = same(0) && same(UINT64_MAX);
	int digits;

	for (digits = 1; digits < DECIMAL_MAX; digits++, n *= 10)
		good = good && same(n - 1) && same(n) && same(n + 1);
	ok(good && same(n - 1) && same(n), "numbers of every length");
}

static void
test_padded(void)
{
	char text[8] = "#######";

	is_int(decimal_put_padded(text, 7, 3), 3, "three digits");
	is_str(text, "007####", "  with zeros in front");
	is_int(decimal_put_padded(text, 98765, 3), 3, "of more digits");
	is_str(text, "765####", "  the last ones");
	is_int(decimal_put_padded(text, 0, 0), 0, "none");
	is_str(text, "765####", "  is nothing");
}

int
main(void)
{
	test_put();
	test_padded();
	return (done_testing());
}
