/*
 * What sniport itself reads of a ClientHello, on the raw bytes: OpenSSL has
 * not validated the server_name extension when it shows it, and would take
 * any length of hello up to 128 KiB.
 */
#ifndef WORKER_TLS_CLIENT_HELLO_H
#define WORKER_TLS_CLIENT_HELLO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/reason.h"

/*
 * Finds the one host_name in the body of a server_name extension (RFC 6066
 * section 3). REASON_NONE with *name (within ext, may be empty) and *len;
 * REASON_SNI_MALFORMED where the bytes are anything but a list of exactly one
 * entry of type host_name. Pure.
 */
enum reason client_hello_server_name(
    const uint8_t *ext, size_t ext_len, const uint8_t **name, size_t *len);

/* Looks at the client's bytes as they arrive; zeroed at first. */
struct client_hello_watch {
	bool begun;	     /* like a TLS stream */
	uint64_t seen;	     /* bytes of the stream */
	uint8_t header[5];   /* of the current record */
	uint8_t message[4];  /* header of the first handshake message */
	unsigned header_len; /* how much of it is there */
	unsigned message_len;
	size_t record_left; /* bytes of the current record to come */
};

/*
 * Feeds the next bytes. REASON_NONE: go on; REASON_NOT_TLS: the stream starts
 * like no TLS client (nor like an SSLv2 hello, which OpenSSL answers with an
 * alert); REASON_CLIENT_HELLO_TOO_BIG: more than max bytes came, or the first
 * handshake message declares more. Pure.
 */
enum reason client_hello_feed(
    struct client_hello_watch *, const uint8_t *, size_t len, uint64_t max);

#endif
