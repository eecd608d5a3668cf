/*
 * What the reader (proxy.c) and the writer (proxy_format.c) of PROXY protocol
 * headers both know of version 2.
 */
#ifndef COMMON_NET_PROXY_WIRE_H
#define COMMON_NET_PROXY_WIRE_H

#include <stddef.h>
#include <stdint.h>

#define V2_SIGNATURE	  "\r\n\r\n\0\r\nQUIT\n"
#define V2_SIGNATURE_SIZE 12
#define V2_FIXED	  16 /* bytes before the addresses */
#define V2_LOCAL	  0x20
#define V2_PROXY	  0x21
#define V2_UNSPEC	  0x00
#define V2_TCP4		  0x11
#define V2_TCP6		  0x21
#define V2_UNIX		  0x31
#define TLV_HEAD	  3
#define TLV_AUTHORITY	  0x02
#define TLV_CRC32C	  0x03
#define TLV_SSL		  0x20

static inline unsigned
proxy_get16(const uint8_t *at)
{
	return (at[0] << 8 | at[1]);
}

/* The CRC32C of a whole header, with the four bytes at `hole` taken as
 * zeros. */
uint32_t proxy_crc(const uint8_t *bytes, size_t len, size_t hole);

#endif
