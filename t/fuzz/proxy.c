/*
 * PROXY headers. What is taken does not depend on how the bytes arrive; a
 * verdict stays; and what is written for what was read is read as the same.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/net/proxy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_address(const struct addr *a)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	static const uint8_t zeros[12];

	assert(a->family == 0 || a->family == AF_INET || a->family == AF_INET6);
	if (a->family == 0)
		assert(a->port == 0);
	if (a->family != AF_INET6)
		assert(memcmp(a->ip + 4, zeros, sizeof(zeros)) == 0);
	else
		assert(memcmp(a->ip, mapped, sizeof(mapped)) != 0);
}

static void
check_header(const struct proxy_header *h)
{
	check_address(&h->source);
	check_address(&h->destination);
	assert((h->source.family == 0) == (h->destination.family == 0));
	assert(!h->local || h->source.family == 0);
}

/* Every prefix, in memory of its own, so that a read behind it is seen. */
static void
check_prefixes(const uint8_t *data, size_t size, int whole)
{
	struct proxy_header h;
	uint8_t *copy;
	size_t n;
	int r, before = 0;

	for (n = 0; n <= size; n++) {
		copy = malloc(n + 1);
		assert(copy != NULL);
		memcpy(copy + 1, data, n);
		r = proxy_parse(&h, copy + 1, n);
		free(copy);
		assert(before == 0 || r == before);
		assert(r <= 0 || (size_t)r <= n);
		before = r;
	}
	assert(before == whole);
	/* Something is said by then. */
	assert(size < PROXY_HEADER_MAX || whole != 0);
	assert(size < PROXY_V1_MAX || data[0] != 'P' || whole != 0);
}

/* Strings of what was sent: some are too long, some empty. */
static const char *
take_string(char *buf, size_t room, const uint8_t *data, size_t size)
{
	size_t n = size > 0 ? data[0] * 2 : 0;

	if (n == 0)
		return (NULL);
	memset(buf, data[size - 1] | 1, room);
	buf[n < room ? n : room - 1] = '\0';
	if (size > n)
		memcpy(buf, data + 1, n - 1);
	return (buf);
}

static void
check_write(struct proxy_info *info, unsigned version)
{
	struct proxy_header h;
	uint8_t buf[PROXY_HEADER_MAX];
	size_t len = proxy_format(info, version, buf);
	bool known = info->source.family != 0 && info->destination.family != 0;

	assert(len <= (version == 1 ? PROXY_V1_MAX : sizeof(buf)));
	assert(proxy_parse(&h, buf, len - 1) == 0);
	assert(proxy_parse(&h, buf, len) == (int)len);
	assert(h.local == (version == 1 && !known));
	if (known) {
		assert(addr_equal(&h.source, &info->source));
		assert(addr_equal(&h.destination, &info->destination));
	} else {
		assert(h.source.family == 0 && h.destination.family == 0);
	}
	if (version == 2) {
		buf[len / 2] ^= 0x10;
		assert(proxy_parse(&h, buf, len) <= 0);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char authority[600], identity[600], tls_version[600];
	struct proxy_info info = { .verified = size & 1, .resumed = size & 2 };
	struct proxy_header h, untouched;
	size_t third = size / 3;
	int r;

	memset(&h, 0xee, sizeof(h));
	untouched = h;
	r = proxy_parse(&h, data, size);
	assert(r >= 0 || r == -EPROTO || r == -EMSGSIZE);
	/* Longer input only repeats itself. */
	if (size <= 2 * PROXY_HEADER_MAX)
		check_prefixes(data, size, r);
	if (r > 0) {
		assert(r <= PROXY_HEADER_MAX);
		check_header(&h);
		info.source = h.source;
		info.destination = h.destination;
	} else {
		assert(memcmp(&h, &untouched, sizeof(h)) == 0);
	}
	info.authority = take_string(authority, sizeof(authority), data, third);
	info.identity =
	    take_string(identity, sizeof(identity), data + third, third);
	info.tls_version = take_string(tls_version, sizeof(tls_version),
	    data + 2 * third, size - 2 * third);
	check_write(&info, 1);
	check_write(&info, 2);
	return (0);
}
