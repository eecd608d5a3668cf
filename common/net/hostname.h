/* DNS names as sniport admits them, and their one canonical spelling. */
#ifndef COMMON_NET_HOSTNAME_H
#define COMMON_NET_HOSTNAME_H

#include <stddef.h>

#define HOSTNAME_MAX	   253 /* RFC 1035 2.3.4, without the last dot */
#define HOSTNAME_SIZE	   (HOSTNAME_MAX + 1)
#define HOSTNAME_LABEL_MAX 63

/*
 * Writes the canonical form (ASCII lower case, one trailing dot removed, NUL
 * at the end) of the name in s. Labels are letters, digits, '-' and '_', 1 to
 * 63 bytes, with no '-' at either end; the last label is not all digits and
 * not 0x-hex (RFC 3696 2; WHATWG URL "ends in a number"), so that no resolver
 * could take the name for an address. Returns the length, or -EINVAL.
 * Pure: reads len bytes of s, writes out only on success.
 */
int hostname_canonical(char out[HOSTNAME_SIZE], const char *s, size_t len);

#endif
