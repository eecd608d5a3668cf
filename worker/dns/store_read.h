/*
 * Reading the stores of other workers, see store.h: the writer may be at work,
 * dead, or broken into.
 */
#ifndef WORKER_DNS_STORE_READ_H
#define WORKER_DNS_STORE_READ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/net/addr.h"
#include "common/net/hostname.h"
#include "worker/dns/message.h"
#include "worker/dns/store.h"

/*
 * Copies what stands in another worker's store, which may be writing to it,
 * and may have been broken into. 0 with *bytes owned by the caller, or -errno;
 * -ENOENT: it is not there, or of other servers.
 */
int dns_store_copy(int fd, uint64_t servers, uint8_t **bytes, size_t *len);

/* A record that was read. */
struct dns_record_read {
	struct dns_record record;
	char name[HOSTNAME_SIZE];
	struct addr addrs[DNS_MESSAGE_ADDRS_MAX];
};

/*
 * Reads the record that begins at *at, and moves *at behind it. False: there is
 * none, or what is there cannot be one. What is read has a canonical name, and
 * as many addresses as its result says. Pure.
 */
bool dns_store_read(
    const uint8_t *bytes, size_t len, size_t *at, struct dns_record_read *);

#endif
