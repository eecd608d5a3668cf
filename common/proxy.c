#include "common/proxy.h"

#include <netinet/in.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define V2_FIXED      16 /* bytes before the addresses */
#define V2_LOCAL      0x20
#define V2_PROXY      0x21
#define V2_UNSPEC     0x00
#define V2_TCP4	      0x11
#define V2_TCP6	      0x21
#define V2_UNIX	      0x31
#define TLV_HEAD      3
#define TLV_AUTHORITY 0x02
#define TLV_CRC32C    0x03
#define TLV_SSL	      0x20
#define SSL_VERSION   0x21 /* within TLV_SSL */
#define SSL_CN	      0x22
#define SSL_HEAD      5 /* bits and verify, before what is within */
#define CLIENT_SSL    0x01
#define CLIENT_CONN   0x02
#define CLIENT_SESS   0x04

/* Fixed part, addresses, authority, SSL with two strings, CRC32C. */
_Static_assert(V2_FIXED + 36 + 2 * TLV_HEAD + SSL_HEAD +
		       2 * (TLV_HEAD + PROXY_STRING_MAX) + PROXY_STRING_MAX +
		       TLV_HEAD + 4 <=
		   PROXY_HEADER_MAX,
    "the longest header that is written fits");

static const uint8_t v2_signature[12] = { 0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d,
	0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a };

static unsigned
get16(const uint8_t *at)
{
	return (at[0] << 8 | at[1]);
}

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

/* Of a whole header, with the four bytes at `hole` taken as zeros. */
static uint32_t
header_crc(const uint8_t *bytes, size_t len, size_t hole)
{
	static const uint8_t zeros[4];
	uint32_t crc = 0xffffffff;

	crc = crc32c_add(crc, bytes, hole);
	crc = crc32c_add(crc, zeros, sizeof(zeros));
	crc = crc32c_add(crc, bytes + hole + 4, len - hole - 4);
	return (~crc);
}

/* A line of version 1, looked at from the left. */
struct line {
	const char *s;
	size_t len; /* at most PROXY_V1_MAX */
	size_t at;
};

/* The line ends before it is complete; its CR LF can still come in time, as
 * `missing` more bytes at least, or it is none. */
static int
line_short(const struct line *l, size_t missing)
{
	return (l->len + missing <= PROXY_V1_MAX ? 0 : -EPROTO);
}

/* 1 and past the text; 0: all that is there agrees; or -EPROTO. */
static int
line_text(struct line *l, const char *text)
{
	for (; *text != '\0'; text++, l->at++) {
		if (l->at == l->len)
			return (line_short(l, 1));
		if (l->s[l->at] != *text)
			return (-EPROTO);
	}
	return (1);
}

/* Goes past bytes of the set, at most max. 1: another byte follows. */
static int
line_span(struct line *l, const char *set, size_t max)
{
	size_t end = l->at + max;

	while (l->at < l->len && l->s[l->at] != '\0' &&
	       strchr(set, l->s[l->at]) != NULL)
		if (l->at++ == end)
			return (-EPROTO);
	return (l->at < l->len ? 1 : line_short(l, 2));
}

static int
line_address(struct line *l, struct addr *a, bool ipv6)
{
	const char *s = l->s + l->at;
	size_t len;
	int r;

	r = line_span(l, ipv6 ? "0123456789abcdefABCDEF:." : "0123456789.",
	    INET6_ADDRSTRLEN - 1);
	if (r <= 0)
		return (r);
	len = l->s + l->at - s;
	/* The family is named before, and must be right. */
	if (ipv6 && memchr(s, ':', len) == NULL)
		return (-EPROTO);
	if (addr_parse_ip(a, s, len) != 0)
		return (-EPROTO);
	return (line_text(l, " "));
}

static int
line_port(struct line *l, uint16_t *port, const char *end)
{
	const char *s = l->s + l->at;
	size_t len;
	int r = line_span(l, "0123456789", 5);

	if (r <= 0)
		return (r);
	len = l->s + l->at - s;
	*port = 0;
	if (!(len == 1 && *s == '0') && addr_parse_port(port, s, len) != 0)
		return (-EPROTO);
	return (line_text(l, end));
}

static int
line_tcp(struct line *l, struct proxy_header *h)
{
	bool ipv6;
	int r = line_text(l, "TCP");

	if (r <= 0)
		return (r);
	if (l->at == l->len)
		return (0);
	ipv6 = l->s[l->at] == '6';
	r = line_text(l, ipv6 ? "6 " : "4 ");
	if (r > 0)
		r = line_address(l, &h->source, ipv6);
	if (r > 0)
		r = line_address(l, &h->destination, ipv6);
	if (r > 0)
		r = line_port(l, &h->source.port, " ");
	if (r > 0)
		r = line_port(l, &h->destination.port, "\r\n");
	return (r);
}

static int
line_unknown(struct line *l, struct proxy_header *h)
{
	int r = line_text(l, "UNKNOWN");

	if (r <= 0)
		return (r);
	h->local = true;
	if (l->at < l->len && l->s[l->at] == ' ')
		while (l->at < l->len && l->s[l->at] != '\r' &&
		       l->s[l->at] != '\n')
			l->at++;
	return (l->at < l->len ? line_text(l, "\r\n") : line_short(l, 2));
}

static int
parse_v1(struct proxy_header *h, const uint8_t *bytes, size_t len)
{
	struct line l = { (const char *)bytes, len, 0 };
	int r;

	if (l.len > PROXY_V1_MAX)
		l.len = PROXY_V1_MAX;
	r = line_text(&l, "PROXY ");
	if (r <= 0)
		return (r);
	if (l.at == l.len)
		return (0);
	r = l.s[l.at] == 'U' ? line_unknown(&l, h) : line_tcp(&l, h);
	return (r > 0 ? (int)l.at : r);
}

/* Bytes of addresses for the byte of family and protocol, or -EPROTO. */
static int
v2_addresses(uint8_t family)
{
	switch (family) {
	case V2_UNSPEC:
		return (0);
	case V2_TCP4:
		return (2 * 4 + 2 * 2);
	case V2_TCP6:
		return (2 * 16 + 2 * 2);
	case V2_UNIX:
		return (2 * 108);
	}
	return (-EPROTO);
}

/*
 * Walks the TLVs of a header of `total` bytes, the first len of which are
 * there. total where all is there and well-formed, 0 or -EPROTO.
 */
static int
v2_tlvs(const uint8_t *bytes, size_t len, size_t at, size_t total)
{
	size_t crc = 0, n;

	for (; at < total; at += n) {
		if (total - at < TLV_HEAD)
			return (-EPROTO);
		if (len < at + TLV_HEAD)
			return (0);
		n = TLV_HEAD + get16(bytes + at + 1);
		if (n > total - at)
			return (-EPROTO);
		if (bytes[at] != TLV_CRC32C)
			continue;
		/* Of two, neither could be right. */
		if (n != TLV_HEAD + 4 || crc != 0)
			return (-EPROTO);
		crc = at + TLV_HEAD;
	}
	if (len < total)
		return (0);
	if (crc != 0 &&
	    header_crc(bytes, total, crc) !=
		((uint32_t)get16(bytes + crc) << 16 | get16(bytes + crc + 2)))
		return (-EPROTO);
	return (total);
}

static void
take_address(struct addr *a, bool ipv6, const uint8_t *ip, const uint8_t *port)
{
	struct sockaddr_in6 sin6 = { .sin6_family = AF_INET6 };

	if (ipv6) {
		/* Through the kernel's form, for the IPv4-mapped ones. */
		memcpy(&sin6.sin6_addr, ip, 16);
		addr_from_sockaddr(a, (struct sockaddr *)&sin6, sizeof(sin6));
	} else {
		*a = (struct addr){ .family = AF_INET };
		memcpy(a->ip, ip, 4);
	}
	a->port = get16(port);
}

static int
parse_v2(struct proxy_header *h, const uint8_t *bytes, size_t len)
{
	size_t known = len < sizeof(v2_signature) ? len : sizeof(v2_signature);
	size_t total, ip;
	int addresses, r;

	if (memcmp(bytes, v2_signature, known) != 0)
		return (-EPROTO);
	if (len > 12 && bytes[12] != V2_LOCAL && bytes[12] != V2_PROXY)
		return (-EPROTO);
	h->local = len > 12 && bytes[12] == V2_LOCAL;
	addresses = len > 13 && !h->local ? v2_addresses(bytes[13]) : 0;
	if (addresses < 0)
		return (-EPROTO);
	if (len < V2_FIXED)
		return (0);
	total = V2_FIXED + get16(bytes + 14);
	if (total > PROXY_HEADER_MAX)
		return (-EMSGSIZE);
	if (h->local)
		return (len < total ? 0 : (int)total);
	if (total < V2_FIXED + (size_t)addresses)
		return (-EPROTO);
	r = v2_tlvs(bytes, len, V2_FIXED + addresses, total);
	if (r > 0 && (bytes[13] == V2_TCP4 || bytes[13] == V2_TCP6)) {
		ip = bytes[13] == V2_TCP6 ? 16 : 4;
		bytes += V2_FIXED;
		take_address(&h->source, ip == 16, bytes, bytes + 2 * ip);
		take_address(
		    &h->destination, ip == 16, bytes + ip, bytes + 2 * ip + 2);
	}
	return (r);
}

int
proxy_parse(struct proxy_header *header, const uint8_t *bytes, size_t len)
{
	struct proxy_header parsed;
	int r;

	if (len == 0)
		return (0);
	/* No byte between the fields: two of the same header compare equal. */
	memset(&parsed, 0, sizeof(parsed));
	if (bytes[0] == v2_signature[0])
		r = parse_v2(&parsed, bytes, len);
	else
		r = parse_v1(&parsed, bytes, len);
	if (r > 0)
		*header = parsed;
	return (r);
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
		snprintf(buf, ADDR_TEXT_SIZE, "::ffff:%x:%x", get16(a->ip),
		    get16(a->ip + 2));
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

	memcpy(buf, v2_signature, sizeof(v2_signature));
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
	put32(at - 4, header_crc(buf, len, len - 4));
	return (len);
}

size_t
proxy_format(const struct proxy_info *info, unsigned version,
    uint8_t buf[PROXY_HEADER_MAX])
{
	return (version == 1 ? format_v1(info, buf) : format_v2(info, buf));
}
