/* How a store's bytes are laid out, for store.c and store_read.c. */
#ifndef WORKER_DNS_STORE_LAYOUT_H
#define WORKER_DNS_STORE_LAYOUT_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "common/shm/store.h"

#define DNS_STORE_MAGIC UINT64_C(0x31736e2074726f70)
#define DNS_STORE_ALIGN 8

/* The first bytes of a store. */
struct dns_store_head {
	_Atomic uint64_t magic; /* 0: nothing was published yet */
	_Atomic uint64_t turn;	/* its lowest bit: which half is the good one */
	struct {
		_Atomic uint64_t servers;
		_Atomic uint64_t used; /* bytes */
	} halves[2];
};

/* In front of a record's name and addresses, of 4 or 16 bytes each. */
struct dns_store_record {
	uint32_t size; /* of all of it, a multiple of DNS_STORE_ALIGN */
	uint8_t what;
	uint8_t ipv6;
	uint8_t name_len;
	uint8_t naddrs;
	int64_t expires;
};

enum dns_store_what {
	DNS_STORE_ADDRESSES = 1,
	DNS_STORE_NOT_FOUND,
	DNS_STORE_NO_ADDRESS
};

/* The size of each of the two halves of a store of that size. */
static inline size_t
dns_store_half(size_t size)
{
	return (size > STORE_HEAD_SIZE ? (size - STORE_HEAD_SIZE) / 2 : 0);
}

/* Where the half of that turn begins. */
static inline size_t
dns_store_offset(size_t half, uint64_t turn)
{
	return (STORE_HEAD_SIZE + (turn & 1) * half);
}

static inline size_t
dns_store_addr_size(int family)
{
	return (family == AF_INET6 ? 16 : 4);
}

#endif
