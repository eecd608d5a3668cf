/* One certificate chain and its key, read from files and checked. */
#ifndef MASTER_CERTIFICATE_H
#define MASTER_CERTIFICATE_H

#include <openssl/ssl.h>

struct conf_certificate;
struct findings;

/* Has OpenSSL's reason for what just failed follow "FILE: action: ". */
void certificate_finding(
    struct findings *, const char *file, const char *action);

/*
 * Reads the chain and the key, checks that they belong together and that the
 * chain is in order, and adds them to the context. 0; -EINVAL with the causes
 * in findings.
 */
int certificate_load(
    SSL_CTX *, const struct conf_certificate *, struct findings *);

#endif
