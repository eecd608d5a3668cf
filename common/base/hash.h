/* A keyed hash for tables whose keys a peer may choose. */
#ifndef COMMON_BASE_HASH_H
#define COMMON_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

struct hash_key {
	uint64_t k0, k1;
};

/* Fills the key from getrandom(2). 0 or -errno. */
int hash_key_init(struct hash_key *);

/* SipHash-2-4 (Aumasson, Bernstein 2012) of len bytes. */
uint64_t hash_bytes(const struct hash_key *, const void *, size_t len);

#endif
