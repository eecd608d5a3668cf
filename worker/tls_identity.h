/* The names of a client's certificate; private to tls. */
#ifndef WORKER_TLS_IDENTITY_H
#define WORKER_TLS_IDENTITY_H

#include <stddef.h>

#include "common/identity.h"

struct ssl_st;

struct tls_identity {
	struct identity *names; /* one block with the texts behind it */
	size_t n;
};

/* Reads them from the session's verified certificate. 0 or -ENOMEM. */
int tls_identity_read(struct tls_identity *, const struct ssl_st *);
void tls_identity_free(struct tls_identity *);

#endif
