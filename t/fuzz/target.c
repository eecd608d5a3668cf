/* Server names: what parses has one spelling that parses to the same. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/net/target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool
refusal_known(enum reason reason)
{
	return (reason == REASON_SNI_NO_PORT || reason == REASON_SNI_BAD_PORT ||
		reason == REASON_SNI_NO_HOST || reason == REASON_SNI_BAD_HOST);
}

static void
check_host(const struct target *t)
{
	char name[HOSTNAME_SIZE], text[ADDR_TEXT_SIZE];
	struct addr a;
	int len;

	assert(t->port != 0);
	assert(t->host_len > 0 && strlen(t->host) == t->host_len);
	if (t->addr.family == 0) {
		len = hostname_canonical(name, t->host, t->host_len);
		assert(len == t->host_len && strcmp(name, t->host) == 0);
		/* No resolver may take a name for an address. */
		assert(addr_parse_ip(&a, t->host, t->host_len) != 0);
	} else {
		assert(t->addr.port == t->port);
		assert(addr_format_ip(&t->addr, text) == t->host_len);
		assert(strcmp(text, t->host) == 0);
		a = t->addr;
		assert(addr_parse_ip(&a, t->host, t->host_len) == 0);
		assert(addr_equal_ip(&a, &t->addr));
	}
}

static void
check_again(const struct target *t)
{
	char text[TARGET_TEXT_SIZE];
	struct target again;
	size_t len = target_format(t, text);

	assert(len < sizeof(text) && strlen(text) == len);
	/* A default port makes the text of the longest names too long. */
	if (len > TARGET_RAW_MAX)
		return;
	assert(target_parse(&again, text, len, 0) == REASON_NONE);
	assert(memcmp(&again, t, sizeof(again)) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct target with, without;
	enum reason r_with, r_without;

	memset(&with, 0xee, sizeof(with));
	memset(&without, 0xee, sizeof(without));
	r_with = target_parse(&with, data, size, 443);
	r_without = target_parse(&without, data, size, 0);
	/* The default port matters where there is none, and there alone. */
	assert(r_with == r_without ||
	       (r_with == REASON_NONE && r_without == REASON_SNI_NO_PORT));
	assert(r_with != REASON_SNI_NO_PORT);
	if (r_with == REASON_NONE) {
		check_host(&with);
		check_again(&with);
	} else {
		assert(refusal_known(r_with));
	}
	if (r_without == REASON_NONE)
		assert(memcmp(&with, &without, sizeof(with)) == 0);
	return (0);
}
