/*
 * Reads, prints and compares addresses and blocks; only the strict spellings of
 * an address are taken.
 */
#include "common/net/addr.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <errno.h>
#include <string.h>

#include "common/base/decimal.h"

static const uint8_t mapped_prefix[12] = { [10] = 0xff, [11] = 0xff };
static const uint8_t nat64_prefix[12] = { 0x00, 0x64, 0xff, 0x9b };

static bool
is_digit(char c)
{
	return (c >= '0' && c <= '9');
}

/* Takes the IPv4 address that stands in the last four bytes. */
static void
take_embedded(struct addr *a)
{
	a->family = AF_INET;
	memcpy(a->ip, a->ip + 12, 4);
	memset(a->ip + 4, 0, 12);
}

static void
unmap(struct addr *a)
{
	if (a->family == AF_INET6 &&
	    memcmp(a->ip, mapped_prefix, sizeof(mapped_prefix)) == 0)
		take_embedded(a);
}

int
addr_from_sockaddr(struct addr *a, const struct sockaddr *sa, socklen_t len)
{
	struct sockaddr_in6 sin6;
	struct sockaddr_in sin;
	sa_family_t family;

	/* Copied, since the caller's buffer need not be aligned. */
	if (len < offsetof(struct sockaddr, sa_family) + sizeof(family))
		return (-EAFNOSUPPORT);
	memcpy(&family, &sa->sa_family, sizeof(family));
	if (family == AF_INET && len >= sizeof(sin)) {
		memcpy(&sin, sa, sizeof(sin));
		*a = (struct addr){ .family = AF_INET,
			.port = ntohs(sin.sin_port) };
		memcpy(a->ip, &sin.sin_addr, 4);
		return (0);
	}
	if (family == AF_INET6 && len >= sizeof(sin6)) {
		memcpy(&sin6, sa, sizeof(sin6));
		*a = (struct addr){ .family = AF_INET6,
			.port = ntohs(sin6.sin6_port) };
		memcpy(a->ip, &sin6.sin6_addr, 16);
		unmap(a);
		return (0);
	}
	return (-EAFNOSUPPORT);
}

socklen_t
addr_to_sockaddr(const struct addr *a, struct sockaddr_storage *ss)
{
	struct sockaddr_in6 sin6 = { .sin6_family = AF_INET6 };
	struct sockaddr_in sin = { .sin_family = AF_INET };

	memset(ss, 0, sizeof(*ss));
	if (a->family == AF_INET) {
		sin.sin_port = htons(a->port);
		memcpy(&sin.sin_addr, a->ip, 4);
		memcpy(ss, &sin, sizeof(sin));
		return (sizeof(sin));
	}
	if (a->family == AF_INET6) {
		sin6.sin6_port = htons(a->port);
		memcpy(&sin6.sin6_addr, a->ip, 16);
		memcpy(ss, &sin6, sizeof(sin6));
		return (sizeof(sin6));
	}
	return (0);
}

/*
 * Reads a decimal number without sign or leading zeros, at most max; returns
 * how many bytes it took, 0 where there is none.
 */
static size_t
parse_decimal(unsigned *value, const char *s, size_t len, unsigned max)
{
	unsigned v = 0;
	size_t i;

	for (i = 0; i < len && is_digit(s[i]); i++) {
		v = v * 10 + (s[i] - '0');
		if (v > max || (i > 0 && s[0] == '0'))
			return (0);
	}
	*value = v;
	return (i);
}

/*
 * inet_pton(3) takes the canonical spelling of IPv4 alone: four decimal numbers
 * without leading zeros; and of IPv6 all that RFC 4291 knows, without a zone.
 */
int
addr_parse_ip(struct addr *a, const char *s, size_t len)
{
	struct addr parsed = { .family = AF_INET };
	char text[INET6_ADDRSTRLEN];

	if (len == 0 || len >= sizeof(text) || memchr(s, '\0', len) != NULL)
		return (-EINVAL);
	memcpy(text, s, len);
	text[len] = '\0';
	if (strchr(text, ':') != NULL)
		parsed.family = AF_INET6;
	if (inet_pton(parsed.family, text, parsed.ip) != 1)
		return (-EINVAL);
	unmap(&parsed);
	*a = parsed;
	return (0);
}

int
addr_parse_port(uint16_t *port, const char *s, size_t len)
{
	unsigned value;

	if (len == 0 || parse_decimal(&value, s, len, 65535) != len ||
	    value == 0)
		return (-EINVAL);
	*port = value;
	return (0);
}

/* What stands behind the address: nothing, or a colon and a port. */
static int
parse_port_part(uint16_t *port, const char *s, size_t len, uint16_t def)
{
	if (len == 0) {
		*port = def;
		return (def == 0 ? -EINVAL : 0);
	}
	if (*s != ':')
		return (-EINVAL);
	return (addr_parse_port(port, s + 1, len - 1));
}

int
addr_parse(struct addr *a, const char *s, size_t len, uint16_t default_port)
{
	const char *colon, *end, *rest;
	struct addr ip;
	int r;

	if (len == 0)
		return (-EINVAL);
	colon = memchr(s, ':', len);
	if (*s == '[') {
		end = memchr(s, ']', len);
		/* Brackets are for IPv6 alone. */
		if (end == NULL || colon == NULL || colon > end)
			return (-EINVAL);
		rest = end + 1;
		s++;
		len--;
	} else if (colon != NULL &&
		   memchr(colon + 1, ':', s + len - colon - 1) == NULL) {
		rest = end = colon;
	} else {
		/* No colon: IPv4. Two and more: IPv6 without a port. */
		rest = end = s + len;
	}
	r = addr_parse_ip(&ip, s, end - s);
	if (r == 0)
		r = parse_port_part(
		    &ip.port, rest, s + len - rest, default_port);
	if (r == 0)
		*a = ip;
	return (r);
}

static size_t
format_ipv4(const uint8_t *ip, char buf[ADDR_TEXT_SIZE])
{
	size_t len = 0;
	int i;

	for (i = 0; i < 4; i++) {
		if (i > 0)
			buf[len++] = '.';
		len += decimal_put(buf + len, ip[i]);
	}
	buf[len] = '\0';
	return (len);
}

size_t
addr_format_ip(const struct addr *a, char buf[ADDR_TEXT_SIZE])
{
	if (a->family == AF_INET)
		return (format_ipv4(a->ip, buf));
	if (inet_ntop(a->family, a->ip, buf, ADDR_TEXT_SIZE) == NULL)
		strcpy(buf, "-");
	return (strlen(buf));
}

size_t
addr_format(const struct addr *a, char buf[ADDR_TEXT_SIZE])
{
	size_t len = addr_format_ip(a, buf);

	if (a->family == AF_INET6) {
		memmove(buf + 1, buf, len);
		buf[0] = '[';
		buf[len + 1] = ']';
		len += 2;
	}
	buf[len++] = ':';
	len += decimal_put(buf + len, a->port);
	buf[len] = '\0';
	return (len);
}

bool
addr_is_sound(const struct addr *a)
{
	static const uint8_t zeros[sizeof(a->ip)];

	if (a->family == AF_INET)
		return (memcmp(a->ip + 4, zeros, sizeof(a->ip) - 4) == 0);
	return (a->family == AF_INET6);
}

bool
addr_equal(const struct addr *a, const struct addr *b)
{
	return (a->port == b->port && addr_equal_ip(a, b));
}

bool
addr_equal_ip(const struct addr *a, const struct addr *b)
{
	return (
	    a->family == b->family && memcmp(a->ip, b->ip, sizeof(a->ip)) == 0);
}

void
addr_unwrap(struct addr *a)
{
	unmap(a);
	if (a->family == AF_INET6 &&
	    memcmp(a->ip, nat64_prefix, sizeof(nat64_prefix)) == 0)
		take_embedded(a);
}

unsigned
addr_forms(const struct addr *a, struct addr forms[ADDR_FORMS_MAX])
{
	forms[0] = forms[1] = *a;
	unmap(&forms[0]);
	addr_unwrap(&forms[1]);
	return (addr_equal_ip(&forms[0], &forms[1]) ? 1 : 2);
}

/* Are the first bits of both the same? */
static bool
prefix_equal(const uint8_t *a, const uint8_t *b, unsigned bits)
{
	unsigned bytes = bits / 8, rest = bits % 8;

	if (memcmp(a, b, bytes) != 0)
		return (false);
	return (rest == 0 || ((a[bytes] ^ b[bytes]) >> (8 - rest)) == 0);
}

static bool
host_bits_zero(const uint8_t *ip, unsigned bits)
{
	unsigned i;

	for (i = bits; i < 128; i++)
		if (ip[i / 8] & (0x80 >> i % 8))
			return (false);
	return (true);
}

int
cidr_parse(struct cidr *c, const char *s, size_t len)
{
	const char *slash = len > 0 ? memchr(s, '/', len) : NULL;
	const char *end = slash != NULL ? slash : s + len;
	bool ipv6_text;
	unsigned bits, max;
	struct addr a;
	size_t n;

	if (addr_parse_ip(&a, s, end - s) != 0)
		return (-EINVAL);
	ipv6_text = memchr(s, ':', end - s) != NULL;
	bits = max = ipv6_text ? 128 : 32;
	if (slash != NULL) {
		n = s + len - slash - 1;
		if (n == 0 || parse_decimal(&bits, slash + 1, n, max) != n)
			return (-EINVAL);
	}
	/* A block of IPv4-mapped addresses has become one of IPv4. With less
	 * than 96 bits, some of the prefix's ones are host bits. */
	if (ipv6_text && a.family == AF_INET) {
		if (bits < 96)
			return (-ERANGE);
		bits -= 96;
	}
	if (!host_bits_zero(a.ip, bits))
		return (-ERANGE);
	*c = (struct cidr){ .family = a.family, .bits = bits };
	memcpy(c->ip, a.ip, sizeof(c->ip));
	return (0);
}

size_t
cidr_format(const struct cidr *c, char buf[ADDR_TEXT_SIZE])
{
	struct addr a = { .family = c->family };
	size_t len;

	memcpy(a.ip, c->ip, sizeof(a.ip));
	len = addr_format_ip(&a, buf);
	buf[len++] = '/';
	len += decimal_put(buf + len, c->bits);
	buf[len] = '\0';
	return (len);
}

bool
cidr_contains(const struct cidr *c, const struct addr *a)
{
	return (c->family == a->family && prefix_equal(c->ip, a->ip, c->bits));
}

bool
cidr_names(const struct cidr *c, const struct addr *a)
{
	struct addr forms[ADDR_FORMS_MAX];
	unsigned i, n = addr_forms(a, forms);

	for (i = 0; i < n; i++)
		if (cidr_contains(c, &forms[i]))
			return (true);
	return (false);
}
