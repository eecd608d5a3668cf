/* Writes the PROXY protocol header that an upstream gets. */
#include "common/net/proxy.h"

#include <stdio.h>
#include <string.h>

#include "common/net/proxy_wire.h"

#define SSL_VERSION 0x21 /* within TLV_SSL */
#define SSL_CN	    0x22
#define SSL_HEAD    5 /* bits and verify, before what is within */
#define CLIENT_SSL  0x01
#define CLIENT_CONN 0x02
#define CLIENT_SESS 0x04

/* Fixed part, addresses, authority, SSL with two strings, CRC32C. */
_Static_assert(V2_FIXED + 36 + 2 * TLV_HEAD + SSL_HEAD +
		       2 * (TLV_HEAD + PROXY_STRING_MAX) + PROXY_STRING_MAX +
		       TLV_HEAD + 4 <=
		   PROXY_HEADER_MAX,
    "the longest header that is written fits");

static uint8_t *
put16(uint8_t *at, unsigned value)
{
	at[0] = value >> 8;
	at[1] = value;
	return (at + 2);
}

static uint8_t *
put32(uint8_t *at, uint32_t value)
{
	return (put16(put16(at, value >> 16), value & 0xffff));
}

/* The family that both addresses can be written in; 0: unknown. */
static unsigned
common_family(const struct proxy_info *info)
{
	unsigned a = info->source.family, b = info->destination.family;

	if (a == 0 || b == 0)
		return (0);
	return (a == AF_INET && b == AF_INET ? AF_INET : AF_INET6);
}

/* Dotted quads are not in version 1's grammar of IPv6. */
static void
format_ip(char buf[ADDR_TEXT_SIZE], const struct addr *a, unsigned family)
{
	if (a->family == family)
		addr_format_ip(a, buf);
	else
		snprintf(buf, ADDR_TEXT_SIZE, "::ffff:%x:%x",
		    proxy_get16(a->ip), proxy_get16(a->ip + 2));
}

static size_t
format_v1(const struct proxy_info *info, uint8_t *buf)
{
	char source[ADDR_TEXT_SIZE], destination[ADDR_TEXT_SIZE];
	unsigned family = common_family(info);

	if (family == 0)
		return (snprintf(
		    (char *)buf, PROXY_HEADER_MAX, "PROXY UNKNOWN\r\n"));
	format_ip(source, &info->source, family);
	format_ip(destination, &info->destination, family);
	return (snprintf((char *)buf, PROXY_HEADER_MAX,
	    "PROXY TCP%c %s %s %u %u\r\n", family == AF_INET ? '4' : '6',
	    source, destination, info->source.port, info->destination.port));
}

static uint8_t *
put_ip(uint8_t *at, const struct addr *a, unsigned family)
{
	size_t len = a->family == AF_INET ? 4 : 16;

	if (a->family != family) {
		memset(at, 0, 10);
		at = put16(at + 10, 0xffff);
	}
	memcpy(at, a->ip, len);
	return (at + len);
}

static bool
sendable(const char *s)
{
	return (s != NULL && *s != '\0' &&
		strnlen(s, PROXY_STRING_MAX + 1) <= PROXY_STRING_MAX);
}

static uint8_t *
put_string(uint8_t *at, uint8_t type, const char *s)
{
	size_t len;

	if (!sendable(s))
		return (at);
	len = strlen(s);
	*at = type;
	memcpy(put16(at + 1, len), s, len);
	return (at + TLV_HEAD + len);
}

static uint8_t *
put_ssl(uint8_t *tlv, const struct proxy_info *info)
{
	uint8_t *at = tlv + TLV_HEAD;
	uint8_t client = CLIENT_SSL;

	if (!sendable(info->tls_version))
		return (tlv);
	/* None is sent over the connection that resumes a session. */
	if (info->verified)
		client |= CLIENT_SESS | (info->resumed ? 0 : CLIENT_CONN);
	*at++ = client;
	at = put32(at, !info->verified);
	at = put_string(at, SSL_VERSION, info->tls_version);
	if (info->verified)
		at = put_string(at, SSL_CN, info->identity);
	*tlv = TLV_SSL;
	put16(tlv + 1, at - tlv - TLV_HEAD);
	return (at);
}

static size_t
format_v2(const struct proxy_info *info, uint8_t *buf)
{
	unsigned family = common_family(info);
	uint8_t *at = buf + V2_FIXED;
	size_t len;

	memcpy(buf, V2_SIGNATURE, V2_SIGNATURE_SIZE);
	buf[12] = V2_PROXY;
	buf[13] = V2_UNSPEC;
	if (family != 0) {
		buf[13] = family == AF_INET ? V2_TCP4 : V2_TCP6;
		at = put_ip(at, &info->source, family);
		at = put_ip(at, &info->destination, family);
		at = put16(at, info->source.port);
		at = put16(at, info->destination.port);
	}
	at = put_string(at, TLV_AUTHORITY, info->authority);
	at = put_ssl(at, info);
	*at = TLV_CRC32C;
	at = put16(at + 1, 4) + 4;
	len = at - buf;
	put16(buf + 14, len - V2_FIXED);
	put32(at - 4, proxy_crc(buf, len, len - 4));
	return (len);
}

size_t
proxy_format(const struct proxy_info *info, unsigned version,
    uint8_t buf[PROXY_HEADER_MAX])
{
	return (version == 1 ? format_v1(info, buf) : format_v2(info, buf));
}
