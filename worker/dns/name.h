/* Names in messages of the DNS, which may be compressed. */
#ifndef WORKER_DNS_NAME_H
#define WORKER_DNS_NAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Are the names at a and b, two places of the message, the same but for case?
 * Pointers lead back, as RFC 1035 section 4.1.4 has it: a name in which one
 * does not is no name's like, and neither is one that is too long. Takes no
 * more steps than a name has bytes.
 */
bool dns_name_equal(const uint8_t *message, size_t len, size_t a, size_t b);

#endif
