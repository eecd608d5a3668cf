/*
 * Memory for c-ares. Where an allocation of its own fails it may go on with a
 * connection that it has freed (1.34.8), which ends the worker and all of its
 * tunnels. So what the system refuses comes from a reserve.
 */
#ifndef WORKER_DNS_MEMORY_H
#define WORKER_DNS_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

/* Room for the questions that are under way when memory runs out. */
#define DNS_MEMORY_RESERVE (512 * 1024)

/* As malloc(3), realloc(3) and free(3): for ares_library_init_mem(3). NULL
 * only where the reserve is used up as well. */
void *dns_memory_get(size_t);
void *dns_memory_resize(void *, size_t);
void dns_memory_free(void *);

/* Is any of the reserve in use? */
bool dns_memory_short(void);

#endif
