/*
 * What the reader and the writer of PROXY protocol headers share: the signature
 * and the checksum of version 2.
 */
#include "common/net/proxy_wire.h"

/* CRC32C (RFC 3720, B.4), by half bytes: a header is short, a large table
 * would only push others out of the cache. */
static uint32_t
crc32c_add(uint32_t crc, const uint8_t *bytes, size_t len)
{
	static const uint32_t table[16] = { 0x00000000, 0x105ec76f, 0x20bd8ede,
		0x30e349b1, 0x417b1dbc, 0x5125dad3, 0x61c69362, 0x7198540d,
		0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9, 0xc38d26c4,
		0xd3d3e1ab, 0xe330a81a, 0xf36e6f75 };
	size_t i;

	for (i = 0; i < len; i++) {
		crc ^= bytes[i];
		crc = crc >> 4 ^ table[crc & 15];
		crc = crc >> 4 ^ table[crc & 15];
	}
	return (crc);
}

uint32_t
proxy_crc(const uint8_t *bytes, size_t len, size_t hole)
{
	static const uint8_t zeros[4];
	uint32_t crc = 0xffffffff;

	crc = crc32c_add(crc, bytes, hole);
	crc = crc32c_add(crc, zeros, sizeof(zeros));
	crc = crc32c_add(crc, bytes + hole + 4, len - hole - 4);
	return (~crc);
}
