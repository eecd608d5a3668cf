/* An allocator with a reserve, so that c-ares never sees an allocation fail. */
#include "worker/dns/memory.h"

#include <malloc.h>
#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* In front of each block of the reserve. */
struct block {
	alignas(max_align_t) size_t size;
};

/*
 * Blocks are taken one behind the other, and the room is free again when the
 * last of them is: it takes seconds at most, until the questions have ended.
 * The library has no argument of ours to hand to these functions.
 */
static struct {
	alignas(max_align_t) uint8_t room[DNS_MEMORY_RESERVE];
	size_t used, blocks;
} dns_reserve;

static bool
is_reserve(const void *memory)
{
	const uint8_t *room = dns_reserve.room;

	return ((const uint8_t *)memory >= room &&
		(const uint8_t *)memory < room + DNS_MEMORY_RESERVE);
}

static void *
reserve_get(size_t size)
{
	size_t left = DNS_MEMORY_RESERVE - dns_reserve.used;
	struct block *block;

	if (size > left || left - size < 2 * sizeof(*block))
		return (NULL);
	block = (struct block *)(dns_reserve.room + dns_reserve.used);
	block->size = size;
	/* Up to a multiple, for the next one's sake. */
	size = (size + sizeof(*block) - 1) / sizeof(*block) * sizeof(*block);
	dns_reserve.used += sizeof(*block) + size;
	dns_reserve.blocks++;
	return (block + 1);
}

static size_t
size_of(void *memory)
{
	return (is_reserve(memory) ? ((struct block *)memory)[-1].size
				   : malloc_usable_size(memory));
}

void *
dns_memory_get(size_t size)
{
	void *memory = malloc(size);

	return (memory != NULL ? memory : reserve_get(size));
}

void *
dns_memory_resize(void *memory, size_t size)
{
	size_t had;
	void *to;

	if (memory == NULL)
		return (dns_memory_get(size));
	to = is_reserve(memory) ? NULL : realloc(memory, size);
	if (to != NULL)
		return (to);
	to = reserve_get(size);
	if (to == NULL)
		return (NULL);
	had = size_of(memory);
	memcpy(to, memory, had < size ? had : size);
	dns_memory_free(memory);
	return (to);
}

void
dns_memory_free(void *memory)
{
	if (!is_reserve(memory)) {
		free(memory);
		return;
	}
	dns_reserve.blocks--;
	if (dns_reserve.blocks == 0)
		dns_reserve.used = 0;
}

bool
dns_memory_short(void)
{
	return (dns_reserve.blocks > 0);
}
