/* Writes numbers in decimal. */
#include "common/base/decimal.h"

#include <string.h>

size_t
decimal_put(char *at, uint64_t n)
{
	char digits[DECIMAL_MAX];
	size_t from = DECIMAL_MAX;

	do {
		digits[--from] = (char)('0' + n % 10);
		n /= 10;
	} while (n > 0);
	memcpy(at, digits + from, DECIMAL_MAX - from);
	return (DECIMAL_MAX - from);
}

size_t
decimal_put_padded(char *at, uint64_t n, unsigned width)
{
	unsigned i;

	for (i = width; i > 0; i--, n /= 10)
		at[i - 1] = (char)('0' + n % 10);
	return (width);
}
