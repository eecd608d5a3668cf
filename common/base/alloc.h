/*
 * The allocator that libraries are given. A library may hide from its caller
 * that it got no memory, so failures are counted here. Also: giving memory back
 * to the kernel.
 */
#ifndef COMMON_BASE_ALLOC_H
#define COMMON_BASE_ALLOC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* As malloc(3), realloc(3) and free(3), except for a size of 0: alloc_get()
 * returns NULL then, and alloc_resize() frees and returns NULL. File and line
 * are ignored; CRYPTO_set_mem_functions(3) wants functions that take them. */
void *alloc_get(size_t, const char *file, int line);
void *alloc_resize(void *, size_t, const char *file, int line);
void alloc_free(void *, const char *file, int line);

/*
 * Sets whether memory is overwritten before these give it back. The library
 * wipes what it takes for a secret, but neither the keys of tickets nor the
 * text that a key was read from. A process that is forked afterwards would have
 * all of that.
 */
void alloc_wipe(bool);

/* How often they found no memory, in this process or in its parent before the
 * fork. */
uint64_t alloc_failures(void);

/* Gives freed memory back to the kernel. jemalloc (5.3) does that only while
 * something is allocated, which an idle process does not do. */
void alloc_trim(void);

/* The version of jemalloc; NULL: the program runs without it. Static. */
const char *alloc_version(void);

#endif
