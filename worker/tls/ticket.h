/*
 * What a ticket says of the client that was verified when it was made, so that
 * a session is resumed only while that still holds; private to tls. OpenSSL
 * (3.0, 3.5) keeps of the chain no more than the client's own certificate, and
 * verifies nothing when it resumes.
 */
#ifndef WORKER_TLS_TICKET_H
#define WORKER_TLS_TICKET_H

#include <openssl/x509.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Holds a chain of ten certificates whose issuers have names of usual length;
 * one that does not fit is verified anew each time. */
#define TLS_TICKET_NOTE_MAX 2048

/*
 * Notes when (in seconds since 1970) a chain was verified that goes from the
 * client's certificate to its anchor, how long all of it is valid, and the
 * issuer and serial number of each certificate whose revocation can be asked
 * for. Returns the length; 0: it does not fit, or there was no memory.
 */
size_t tls_ticket_note(
    uint8_t buf[TLS_TICKET_NOTE_MAX], STACK_OF(X509) * chain, int64_t now);

/* By what a note is judged. */
struct tls_ticket_terms {
	int64_t now;	   /* seconds since 1970 */
	int64_t lifetime;  /* seconds since the client was verified */
	X509_STORE *store; /* its revocation lists, if it is to use them */
};

/*
 * Does what was noted still hold? The client was verified less than a lifetime
 * ago, its chain has not expired, and where there are revocation lists, each
 * certificate's issuer has one that is in force, all that this issuer has are
 * in force and plain, and none has the certificate. When in doubt: no, since
 * to verify the client anew decides rightly and costs an honest one nothing.
 */
bool tls_ticket_holds(
    const uint8_t *note, size_t len, const struct tls_ticket_terms *);

/* For how many seconds more it holds, as far as that is a matter of time; 0 or
 * less: no more. */
int64_t tls_ticket_left(
    const uint8_t *note, size_t len, const struct tls_ticket_terms *);

#endif
