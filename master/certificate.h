/* One certificate chain and its key, read from files and checked. */
#ifndef MASTER_CERTIFICATE_H
#define MASTER_CERTIFICATE_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>

struct conf;
struct findings;

struct expiries;

/* Of which kinds the keys of certificates are, and until when these are
 * valid. */
struct certificate_keys {
	bool rsa, rsa_pss, ecdsa;
	struct expiries *expiries; /* borrowed, filled */
};

/*
 * Reads chain and key of conf->tls.certificates[i], checks that they belong
 * together and that the chain is in order, and adds them to the context, and
 * the kind of their key and their dates to keys. 0; -EINVAL with the causes in
 * findings.
 */
int certificate_load(SSL_CTX *, const struct conf *, size_t i,
    struct certificate_keys *keys, struct findings *);

#endif
