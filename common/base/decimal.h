/* Numbers in decimal for what is written once per connection, where printf(3)
 * would cost more than all else of a line. */
#ifndef COMMON_BASE_DECIMAL_H
#define COMMON_BASE_DECIMAL_H

#include <stddef.h>
#include <stdint.h>

/* The digits of UINT64_MAX. */
#define DECIMAL_MAX 20

/* Writes n, without a NUL, where there is room for DECIMAL_MAX bytes, or for
 * the digits of the greatest that n can be; returns how many it has. */
size_t decimal_put(char *at, uint64_t n);

/* Writes the last `width` digits of n, with zeros in front; returns width. */
size_t decimal_put_padded(char *at, uint64_t n, unsigned width);

#endif
