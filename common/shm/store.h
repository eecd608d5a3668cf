/*
 * Files in memory with one writer each. One kind is what a worker leaves to
 * those after it, which the master hands on without looking inside.
 */
#ifndef COMMON_SHM_STORE_H
#define COMMON_SHM_STORE_H

#include <stddef.h>
#include <stdint.h>

/* In front of the store's two halves, each of which is whole pages. */
#define STORE_HEAD_SIZE 4096

/*
 * The size of a store for so many names; 0: there is to be none. It takes
 * memory only where something was written.
 */
size_t store_size(int64_t names);

/*
 * Makes a file, named so in /proc. 0 with two descriptors owned by the caller,
 * one to write by and one that cannot be written by, nor ever made to be; or
 * -errno. Nobody can change the file's size, and no other user can open it.
 */
int store_new(const char *name, size_t size, int *writer, int *reader);

/* Maps such a file, with PROT_* of mmap(2), for this process alone: neither is
 * a child to have it by itself, nor a core file. To be unmapped by the caller.
 * NULL: errno. */
void *store_map_own(int fd, int protection, size_t size);

#endif
