/* Whether a verified chain keeps to what its authorities may do. */
#ifndef WORKER_TLS_CHAIN_H
#define WORKER_TLS_CHAIN_H

#include <openssl/x509.h>

/*
 * X509_V_OK, or why a chain from the client's certificate to its anchor must
 * not be trusted, though the library has verified it.
 */
int tls_chain_fault(STACK_OF(X509) *);

#endif
