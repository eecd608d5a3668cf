/*
 * Memory for a library that takes its allocator from us, and hides from its
 * caller that it got none: failures are counted here. And memory for all
 * others: it goes back once it is not needed.
 */
#ifndef COMMON_BASE_ALLOC_H
#define COMMON_BASE_ALLOC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* As malloc(3), realloc(3) and free(3), but that nothing is NULL: for a size
 * of 0 nothing is allocated, and alloc_resize() to it frees. The rest of the
 * arguments is not used: these are for CRYPTO_set_mem_functions(3). */
void *alloc_get(size_t, const char *file, int line);
void *alloc_resize(void *, size_t, const char *file, int line);
void alloc_free(void *, const char *file, int line);

/*
 * From now on, whether memory that these give back is overwritten first. The
 * library wipes what it takes for a secret, but not the keys of tickets, nor
 * the text that a key was read from; and a process that is forked afterwards
 * would have all of it.
 */
void alloc_wipe(bool);

/* How many of them this process, or its parent before it, was refused. */
uint64_t alloc_failures(void);

/* Gives what was freed back to the kernel. A process that is idle makes no
 * allocations, and only those would make jemalloc (5.3) do it. */
void alloc_trim(void);

/* The version of jemalloc; NULL: the program runs without it. Static. */
const char *alloc_version(void);

#endif
