/* Revocation lists that are hashed and sorted once, when they are loaded. */
#ifndef MASTER_REVOCATION_H
#define MASTER_REVOCATION_H

#include <openssl/x509.h>

/*
 * A list that says the same, at less cost for each client: OpenSSL hashes all
 * of it whenever it verifies a chain, and sorts it in each process that looks
 * for a certificate. Owned by the caller; it may be the list itself, where its
 * kind permits no better. NULL: no memory.
 */
X509_CRL *revocation_prepare(X509_CRL *);

#endif
