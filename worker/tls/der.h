/* A strict reader of DER (X.690 section 10), one element at a time. Pure. */
#ifndef WORKER_TLS_DER_H
#define WORKER_TLS_DER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes, borrowed. */
struct der {
	const uint8_t *at; /* not looked at where len is 0 */
	size_t len;
};

enum der_tag {
	DER_BOOLEAN = 0x01,
	DER_INTEGER = 0x02,
	DER_BITS = 0x03,
	DER_OCTETS = 0x04,
	DER_OID = 0x06,
	DER_EXTERNAL = 0x28,
	DER_EMBEDDED = 0x2b,
	DER_SEQUENCE = 0x30,
	DER_SET = 0x31,
	DER_CONTEXT = 0x80,
	DER_CLASS = 0xc0, /* these bits: its class */
	DER_CONSTRUCTED = 0x20
};

/* The one byte of a BOOLEAN that is true. */
#define DER_TRUE 0xff

/*
 * Takes the next element from the front of *rest. False where there is none, or
 * one that DER does not have: cut, of indefinite length, its length in more
 * bytes than it needs, or with a tag number above 30, which no certificate has.
 */
bool der_take(struct der *rest, uint8_t *tag, struct der *body);

/* Is the next element, if there is one, of that tag? */
bool der_next_is(const struct der *rest, uint8_t tag);

struct der_oid {
	uint8_t len;
	uint8_t bytes[9]; /* the body of an element */
};

#define DER_COUNT(oids) (sizeof(oids) / sizeof((oids)[0]))

bool der_is_oid(struct der, const struct der_oid *);
bool der_is_among(struct der, const struct der_oid *, size_t n);

/* The same bytes. */
bool der_equal(struct der, struct der);

#endif
