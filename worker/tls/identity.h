/* The names of a client's certificate; private to tls. */
#ifndef WORKER_TLS_IDENTITY_H
#define WORKER_TLS_IDENTITY_H

#include <stddef.h>

#include "common/policy/identity.h"

struct x509_st;

struct tls_identity {
	struct identity *names; /* one block with the texts behind it */
	size_t n;
};

/* A certificate with more URIs and DNS names than that is refused: policy asks
 * for each of them. */
#define TLS_IDENTITY_NAMES_MAX 128

/*
 * Reads them from a certificate that was verified: its SPIFFE id first, if it
 * has one, then its DNS names in their order. Names of other types, and DNS
 * names that no host can have, are left out. Each text is printable ASCII and
 * ends in a NUL.
 * 0; -ENOMEM; or -EINVAL with *why set to a static text, where the certificate
 * must not pass for anybody's: a name with a byte that no name may have, too
 * many names, or a SPIFFE id in what is not an X.509-SVID. The names would be
 * guesses, and without them a rule that denies one would be passed.
 */
int tls_identity_read(
    struct tls_identity *, struct x509_st *, const char **why);
void tls_identity_free(struct tls_identity *);

#endif
