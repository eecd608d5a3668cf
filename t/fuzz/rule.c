/* Rule destinations: what parses has one spelling that parses to the same. */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "common/policy/rule.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_host(const struct rule_destination *d)
{
	char name[HOSTNAME_SIZE];
	int len;

	switch (d->kind) {
	case RULE_DESTINATION_NAME:
	case RULE_DESTINATION_SUFFIX:
		len = hostname_canonical(name, d->name, d->name_len);
		assert(len == d->name_len && strcmp(name, d->name) == 0);
		assert(d->network.family == 0);
		break;
	case RULE_DESTINATION_ANY:
		assert(d->name_len == 0 && d->network.family == 0);
		break;
	case RULE_DESTINATION_NETWORK:
		assert(d->name_len == 0);
		assert(d->network.family == AF_INET ||
		       d->network.family == AF_INET6);
		break;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char text[RULE_DESTINATION_TEXT_SIZE];
	struct rule_destination d, again;
	const char *why = NULL;
	size_t len;

	memset(&d, 0xee, sizeof(d));
	if (rule_destination_parse(&d, (const char *)data, size, &why) != 0) {
		assert(why != NULL && strstr(why, "; write ") != NULL);
		return (0);
	}
	assert(d.port_low >= 1 && d.port_low <= d.port_high);
	check_host(&d);
	len = rule_destination_format(&d, text);
	assert(len < sizeof(text) && strlen(text) == len);
	assert(rule_destination_parse(&again, text, len, &why) == 0);
	assert(memcmp(&d, &again, sizeof(d)) == 0);
	return (0);
}
