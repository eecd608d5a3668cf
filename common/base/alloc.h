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

/* Bytes that the one thread of a process has and has not given back. */
struct alloc_meter {
	const uint64_t *taken, *given; /* of jemalloc; NULL: without it */
};
void alloc_meter_init(struct alloc_meter *);
uint64_t alloc_metered(const struct alloc_meter *);

/*
 * Gives all memory that was freed back to the kernel, at once. By itself
 * jemalloc (5.3) does that only while something is allocated or freed, which an
 * idle process does not do; and glibc hardly ever.
 */
void alloc_trim(void);

/*
 * The same in pieces, for a process that has other things to do meanwhile.
 * alloc_collect() makes all that was freed available for it, alloc_step() is to
 * be called some times a second from then on: what was freed goes back over
 * ALLOC_DECAY_MS, a percent of it or less in each 1/200 of that time, unless it
 * is used again. Without jemalloc alloc_collect() gives all back at once.
 */
#define ALLOC_DECAY_MS 5000
void alloc_collect(void);
void alloc_step(void);

/* How many bytes are free and not yet back; 0 without jemalloc. Takes some
 * 20 us. */
size_t alloc_unused(void);

/* Once in a process, for that: no free range grows beyond so many bytes from
 * now on, since a range goes back as a whole. Without memory, they do. */
#define ALLOC_PIECE ((size_t)1024 * 1024)
void alloc_set_pieces(void);

/* The version of jemalloc; NULL: the program runs without it. Static. */
const char *alloc_version(void);

#endif
