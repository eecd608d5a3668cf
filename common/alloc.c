#include "common/alloc.h"

#include <stdlib.h>

/* The library has no argument of ours to hand to these functions. */
static uint64_t alloc_failed;

static void *
noted(void *memory)
{
	if (memory == NULL)
		alloc_failed++;
	return (memory);
}

void *
alloc_get(size_t size, const char *file, int line)
{
	return (size != 0 ? noted(malloc(size)) : NULL);
}

void *
alloc_resize(void *memory, size_t size, const char *file, int line)
{
	if (size != 0)
		return (noted(realloc(memory, size)));
	free(memory);
	return (NULL);
}

void
alloc_free(void *memory, const char *file, int line)
{
	free(memory);
}

uint64_t
alloc_failures(void)
{
	return (alloc_failed);
}
