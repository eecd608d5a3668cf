/*
 * What sniport itself reads of a client's Certificate message, on the raw
 * bytes: OpenSSL decodes all that is in it in one call, before anything is
 * verified, and there is no bound on what that costs.
 */
#ifndef WORKER_TLS_CERTIFICATES_H
#define WORKER_TLS_CERTIFICATES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Of a message. */
#define CERTIFICATES_MAX	  16
#define CERTIFICATES_ELEMENTS_MAX 4096

/* Of a certificate: attributes of its subject or issuer; extensions. */
#define CERTIFICATES_ATTRIBUTES_MAX 64
#define CERTIFICATES_EXTENSIONS_MAX 64

/* Of an RSA key, in bits: OpenSSL's own bounds, in its use of keys. */
#define CERTIFICATES_MODULUS_MAX  16384
#define CERTIFICATES_EXPONENT_MAX 64

/*
 * Judges the body of a Certificate message, of TLS 1.3 (RFC 8446 section 4.4.2)
 * or earlier (RFC 5246 section 7.4.2). NULL: to decode it is cheap, and what
 * is decoded is what stands there; a list without a certificate is so. Else a
 * static text: what is refused. *decodable: to decode it is cheap, but it must
 * not be believed, since it is not in strict DER or has two meanings. Says
 * nothing about what a certificate is good for. Pure.
 */
const char *certificates_judge(
    const uint8_t *body, size_t len, bool tls13, bool *decodable);

#endif
