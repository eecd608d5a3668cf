/* Addresses and blocks: parse(format(x)) is x, and blocks hold their first. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/net/addr.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_addr(const struct addr *a)
{
	struct sockaddr_storage ss;
	char text[ADDR_TEXT_SIZE];
	struct addr again, forms[ADDR_FORMS_MAX];
	socklen_t salen;
	unsigned n;
	size_t len;

	len = addr_format(a, text);
	assert(len < sizeof(text) && strlen(text) == len);
	assert(addr_parse(&again, text, len, 0) == 0);
	assert(memcmp(&again, a, sizeof(again)) == 0);

	salen = addr_to_sockaddr(a, &ss);
	assert(addr_from_sockaddr(&again, (struct sockaddr *)&ss, salen) == 0);
	assert(memcmp(&again, a, sizeof(again)) == 0);

	again = *a;
	addr_unwrap(&again);
	assert(again.family == a->family || a->family == AF_INET6);
	assert(again.port == a->port);

	/* Forms are the address, and what is inside. */
	n = addr_forms(a, forms);
	assert(n == 1 || n == 2);
	assert(memcmp(&forms[n - 1], &again, sizeof(again)) == 0);
	assert(n == 1 || memcmp(&forms[0], a, sizeof(*a)) == 0);
	assert((n == 1) == (addr_equal_ip(&forms[0], &again)));
}

static void
check_ip(const struct addr *a)
{
	char text[ADDR_TEXT_SIZE];
	struct addr again;
	size_t len = addr_format_ip(a, text);

	assert(a->port == 0);
	assert(addr_parse_ip(&again, text, len) == 0);
	assert(memcmp(&again, a, sizeof(again)) == 0);
}

static void
check_cidr(const struct cidr *c)
{
	struct addr first = { .family = c->family };
	char text[ADDR_TEXT_SIZE];
	struct cidr again;
	size_t len;

	len = cidr_format(c, text);
	assert(len < sizeof(text) && strlen(text) == len);
	assert(cidr_parse(&again, text, len) == 0);
	assert(memcmp(&again, c, sizeof(again)) == 0);
	memcpy(first.ip, c->ip, sizeof(first.ip));
	assert(cidr_contains(c, &first));
	if (c->bits > 0) {
		first.ip[(c->bits - 1) / 8] ^= 0x80 >> (c->bits - 1) % 8;
		assert(!cidr_contains(c, &first));
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *s = (const char *)data;
	struct sockaddr_storage ss;
	struct addr a, b;
	struct cidr c;
	uint16_t port;

	if (addr_parse(&a, s, size, 0) == 0) {
		check_addr(&a);
		assert(a.port != 0);
		/* A default port does not change what has a port. */
		assert(addr_parse(&b, s, size, 53) == 0 && addr_equal(&a, &b));
	}
	if (addr_parse(&a, s, size, 53) == 0)
		check_addr(&a);
	if (addr_parse_ip(&a, s, size) == 0)
		check_ip(&a);
	if (addr_parse_port(&port, s, size) == 0)
		assert(port != 0 && s[0] != '0' && size <= 5);
	if (cidr_parse(&c, s, size) == 0)
		check_cidr(&c);
	if (size > 0 && size <= sizeof(ss)) {
		memset(&ss, 0, sizeof(ss));
		memcpy(&ss, data, size);
		if (addr_from_sockaddr(&a, (struct sockaddr *)&ss, size) == 0 &&
		    a.port != 0)
			check_addr(&a);
	}
	return (0);
}
