/* Addresses and blocks from texts that the test knows to be good. */
#ifndef T_UNIT_ADDRESSES_H
#define T_UNIT_ADDRESSES_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/net/addr.h"

/* With that port, unless the text has one. */
static inline struct addr
address_of(const char *text, uint16_t port)
{
	struct addr a;

	if (addr_parse_ip(&a, text, strlen(text)) == 0) {
		a.port = port;
		return (a);
	}
	if (addr_parse(&a, text, strlen(text), port) != 0) {
		printf("Bail out! bad address in the test: %s\n", text);
		exit(1);
	}
	return (a);
}

static inline struct cidr
block_of(const char *text)
{
	struct cidr c;

	if (cidr_parse(&c, text, strlen(text)) != 0) {
		printf("Bail out! bad block in the test: %s\n", text);
		exit(1);
	}
	return (c);
}

#endif
