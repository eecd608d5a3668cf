/* One certificate chain and its key, read from files and checked. */
#ifndef MASTER_CERTIFICATE_H
#define MASTER_CERTIFICATE_H

#include <openssl/ssl.h>

struct conf;
struct findings;

/*
 * Reads chain and key of conf->tls.certificates[i], checks that they belong
 * together and that the chain is in order, and adds them to the context. 0;
 * -EINVAL with the causes in findings.
 */
int certificate_load(
    SSL_CTX *, const struct conf *, size_t i, struct findings *);

#endif
