/* Texts of resolv.conf: every name server is its own text. */
#include <assert.h>
#include <string.h>

#include "common/net/nameserver.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct nameserver_list list;
	struct nameserver ns;
	char text[NAMESERVER_TEXT_SIZE], again[NAMESERVER_TEXT_SIZE];
	size_t i, len;

	nameserver_list_parse(&list, (const char *)data, size, 53);
	assert(list.n <= NAMESERVERS_MAX);
	assert((list.bad_line == 0) == (list.bad == 0));
	for (i = 0; i < list.n; i++) {
		len = nameserver_format(&list.servers[i], 53, text);
		assert(len == strlen(text));
		assert(nameserver_parse(&ns, text, len, 53) == 0);
		nameserver_format(&ns, 53, again);
		assert(strcmp(text, again) == 0);
	}
	return (0);
}
