/* Revocation lists that must not be taken. */
#ifndef MASTER_CLIENT_CRL_FAULT_H
#define MASTER_CLIENT_CRL_FAULT_H

#include <openssl/x509.h>

/*
 * What is wrong with a list, as in "is a delta list"; NULL: nothing. The TLS
 * libraries take delta lists for whole ones (OpenSSL 3.0) or pass them over
 * (AWS-LC), and differ in others.
 */
const char *client_crl_fault(X509_CRL *);

#endif
