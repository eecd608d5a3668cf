/*
 * What is known of names, in the store that a worker leaves to those after it.
 * Records are appended to one half of it; when that is full, what is still
 * known is written to the other half. Whatever instant the worker dies at, one
 * half is whole.
 */
#ifndef WORKER_DNS_STORE_H
#define WORKER_DNS_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "worker/dns/cache.h"

struct dns_store;

/* An answer: addresses, or that there are none. */
struct dns_record {
	struct dns_key key;
	struct dns_result result; /* its ttl and detail are not kept */
	int64_t expires;	  /* on clock_now() */
};

/* Maps the store, which is empty. The descriptor stays the caller's. 0 or
 * -errno. */
int dns_store_new(struct dns_store **, int fd);
/* NULL is let pass. The store stays, for others. */
void dns_store_free(struct dns_store *);

/* How much of a half a record takes. */
size_t dns_store_cost(const struct dns_record *);
/* How much there is of it. */
size_t dns_store_room(const struct dns_store *);

/* Appends. False: there is no room. */
bool dns_store_put(struct dns_store *, const struct dns_record *);

/*
 * Begins the other half, for answers of servers of that number. Records are
 * seen by others when it is published.
 */
void dns_store_begin(struct dns_store *, uint64_t servers);
void dns_store_publish(struct dns_store *);

/* The servers' number. */
uint64_t dns_store_servers(const struct dns_store *);

#endif
