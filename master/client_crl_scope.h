/* Revocation lists that do not cover all that their issuers' clients show. */
#ifndef MASTER_CLIENT_CRL_SCOPE_H
#define MASTER_CLIENT_CRL_SCOPE_H

#include <openssl/x509.h>

struct client_ca;
struct pem_file;

/* Warns of each issuer whose lists are all for other certificates than those of
 * its clients, or than its own. The store is that which clients are verified
 * by. */
void client_crl_check_scopes(
    const struct client_ca *, X509_STORE *, const struct pem_file *);

#endif
