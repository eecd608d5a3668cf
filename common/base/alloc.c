/*
 * Memory from jemalloc: failures that a library hides from its caller are
 * counted here, and pages that are free go back to the kernel.
 */
#include "common/base/alloc.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

/* jemalloc (5.3): one arena for the one thread of a process. Read before
 * main(); without jemalloc, as under a sanitizer, nobody reads it. */
const char *const malloc_conf = "narenas:1";

extern int mallctl(const char *name, void *old, size_t *old_len, void *new,
    size_t new_len) __attribute__((weak));

/* The library has no argument of ours to hand to these functions. */
static uint64_t alloc_failed;
static bool alloc_wipes;

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

static void
give_back(void *memory)
{
	if (alloc_wipes && memory != NULL)
		explicit_bzero(memory, malloc_usable_size(memory));
	free(memory);
}

/* As realloc(3), which may leave behind what it has copied. */
static void *
resize_wiping(void *memory, size_t size)
{
	size_t old = malloc_usable_size(memory);
	void *new = malloc(size);

	if (new == NULL)
		return (NULL);
	if (memory != NULL)
		memcpy(new, memory, old < size ? old : size);
	give_back(memory);
	return (new);
}

void *
alloc_resize(void *memory, size_t size, const char *file, int line)
{
	if (size != 0 && alloc_wipes)
		return (noted(resize_wiping(memory, size)));
	if (size != 0)
		return (noted(realloc(memory, size)));
	give_back(memory);
	return (NULL);
}

void
alloc_free(void *memory, const char *file, int line)
{
	give_back(memory);
}

void
alloc_wipe(bool wipe)
{
	alloc_wipes = wipe;
}

uint64_t
alloc_failures(void)
{
	return (alloc_failed);
}

void
alloc_trim(void)
{
	if (mallctl == NULL)
		return;
	/* Only memory is at stake, and there will be a next time. */
	(void)mallctl("thread.tcache.flush", NULL, NULL, NULL, 0);
	(void)mallctl("arena.0.purge", NULL, NULL, NULL, 0);
}

const char *
alloc_version(void)
{
	const char *version;
	size_t size = sizeof(version);

	if (mallctl == NULL ||
	    mallctl("version", &version, &size, NULL, 0) != 0)
		return (NULL);
	return (version);
}
