/* DNS messages (RFC 1035), as far as addresses need them. Pure. */
#ifndef WORKER_DNS_MESSAGE_H
#define WORKER_DNS_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "worker/dns/cache.h"

/* More addresses than that of one answer are left out. */
#define DNS_MESSAGE_ADDRS_MAX 32

/* Room for any question. */
#define DNS_MESSAGE_QUESTION_SIZE 512

/* RFC 1035 section 4.1.1 */
enum dns_rcode {
	DNS_RCODE_NONE = 0,
	DNS_RCODE_FORMERR = 1,
	DNS_RCODE_SERVFAIL = 2,
	DNS_RCODE_NXDOMAIN = 3,
	DNS_RCODE_NOTIMP = 4,
	DNS_RCODE_REFUSED = 5,
	DNS_RCODE_BADVERS = 16 /* RFC 6891 section 9 */
};

/* The number of the record type of a family's addresses. */
unsigned dns_message_type(int family);

/* Writes a question that asks for recursion; returns its length, 0: the name
 * is too long. */
size_t dns_message_ask(uint8_t out[DNS_MESSAGE_QUESTION_SIZE],
    const struct dns_key *, uint16_t id);

/*
 * Where a server says to a message that it asked wrongly or in vain and leaves
 * the question out: its answer, with the question, without any record. Returns
 * its length, 0: it is not such an answer, or to another question.
 */
size_t dns_message_complete(uint8_t out[DNS_MESSAGE_QUESTION_SIZE],
    const uint8_t *bytes, size_t len, const uint8_t *asked, size_t asked_len);

/*
 * The head of an answer with one question, whatever it is: that question,
 * without any record, with the code SERVFAIL. Returns its length, 0: it is not
 * such an answer.
 */
size_t dns_message_head(
    uint8_t out[DNS_MESSAGE_QUESTION_SIZE], const uint8_t *bytes, size_t len);

struct dns_message {
	uint16_t id;
	unsigned rcode; /* with what the OPT record has of it */
	bool truncated; /* it says of itself that it is not whole */
	/* What the records say; with rcode NONE and NXDOMAIN alone. */
	struct dns_result result;
	struct addr addrs[DNS_MESSAGE_ADDRS_MAX]; /* of the result */
};

/*
 * Reads the answer to a question. cut: only the beginning of it is there, and
 * a record that ends beyond it is left out, as in one that is truncated. 0, or
 * -EBADMSG: it is malformed, answers another question, or has addresses of
 * other names alone, to which no CNAME leads. The time that this
 * takes is proportional to the length.
 */
int dns_message_read(struct dns_message *, const uint8_t *bytes, size_t len,
    const struct dns_key *, bool cut);

#endif
