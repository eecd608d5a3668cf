/* Hosts files: every answer is an address that stands in the text. */
#include <assert.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/net/hostname.h"
#include "common/net/hosts.h"

#define ADDRS 8

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t
check_family(const struct hosts *h, const char *name, int family)
{
	struct addr addrs[ADDRS], one[1];
	bool known, known_again;
	size_t n, i, k;

	n = hosts_find(h, name, family, addrs, ADDRS, &known);
	assert(n <= ADDRS);
	assert(known || n == 0);
	for (i = 0; i < n; i++) {
		assert(addrs[i].family == family && addrs[i].port == 0);
		for (k = 0; k < i; k++)
			assert(!addr_equal(&addrs[i], &addrs[k]));
	}
	assert(hosts_find(h, name, family, one, 1, &known_again) ==
	       (n > 0 ? 1 : 0));
	assert(known == known_again);
	if (n > 0)
		assert(addr_equal(&one[0], &addrs[0]));
	return (n);
}

/* Looks up every word of the text that is a name. */
static void
check_words(const struct hosts *h, const char *s, size_t size)
{
	char name[HOSTNAME_SIZE];
	size_t i, n, from = 0;
	bool known;

	for (i = 0; i <= size; i++) {
		if (i < size && strchr(" \t\n#", s[i]) == NULL)
			continue;
		if (hostname_canonical(name, s + from, i - from) > 0) {
			n = check_family(h, name, AF_INET);
			n += check_family(h, name, AF_INET6);
			hosts_find(h, name, AF_INET, NULL, 0, &known);
			assert(known == (n > 0));
		}
		from = i + 1;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char line[] = "\n192.0.2.77 appended.example.com\n";
	char *text = malloc(size + sizeof(line));
	struct addr a[ADDRS];
	struct hosts *h;
	size_t n;

	if (text == NULL || hosts_new(&h, (const char *)data, size) != 0)
		abort();
	check_words(h, (const char *)data, size);
	hosts_free(h);

	/* Whatever stands before it, a good line is heard. */
	memcpy(text, data, size);
	memcpy(text + size, line, sizeof(line) - 1);
	if (hosts_new(&h, text, size + sizeof(line) - 1) != 0)
		abort();
	n = hosts_find(h, "appended.example.com", AF_INET, a, ADDRS, NULL);
	assert(n >= 1);
	hosts_free(h);
	free(text);
	return (0);
}
