/* Revocation lists that are hashed and sorted once, when they are loaded. */
#ifndef COMMON_TLS_REVOCATION_H
#define COMMON_TLS_REVOCATION_H

#include <stdbool.h>

#include <openssl/x509.h>

/*
 * A list that says the same, at less cost for each client: the library hashes
 * all of it whenever it verifies a chain, and sorts it in each process that
 * looks for a certificate. It is for the store of a context alone, where no
 * other may be. Owned by the caller; it may be the list itself, where its kind
 * permits no better. NULL: no memory.
 */
X509_CRL *revocation_prepare(X509_CRL *);

/*
 * The library, verifying a chain, says X509_V_ERR_CRL_SIGNATURE_FAILURE of a
 * list that was prepared: has its issuer signed it all the same? If so, the
 * library's queue is empty then.
 */
bool revocation_signed(X509_STORE_CTX *);

#endif
