/* Reads a PROXY protocol header from a client connection's first bytes. */
#include "common/net/proxy.h"

#include <netinet/in.h>

#include <errno.h>
#include <string.h>

#include "common/net/proxy_wire.h"

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
		n = TLV_HEAD + proxy_get16(bytes + at + 1);
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
	if (crc != 0 && proxy_crc(bytes, total, crc) !=
			    ((uint32_t)proxy_get16(bytes + crc) << 16 |
				proxy_get16(bytes + crc + 2)))
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
	a->port = proxy_get16(port);
}

static int
parse_v2(struct proxy_header *h, const uint8_t *bytes, size_t len)
{
	size_t known = len < V2_SIGNATURE_SIZE ? len : V2_SIGNATURE_SIZE;
	size_t total, ip;
	int addresses, r;

	if (memcmp(bytes, V2_SIGNATURE, known) != 0)
		return (-EPROTO);
	if (len > 12 && bytes[12] != V2_LOCAL && bytes[12] != V2_PROXY)
		return (-EPROTO);
	h->local = len > 12 && bytes[12] == V2_LOCAL;
	addresses = len > 13 && !h->local ? v2_addresses(bytes[13]) : 0;
	if (addresses < 0)
		return (-EPROTO);
	if (len < V2_FIXED)
		return (0);
	total = V2_FIXED + proxy_get16(bytes + 14);
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
	if (bytes[0] == V2_SIGNATURE[0])
		r = parse_v2(&parsed, bytes, len);
	else
		r = parse_v1(&parsed, bytes, len);
	if (r > 0)
		*header = parsed;
	return (r);
}
