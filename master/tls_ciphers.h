/* What is wrong with tls.ciphers beyond what the library itself refuses. */
#ifndef MASTER_TLS_CIPHERS_H
#define MASTER_TLS_CIPHERS_H

struct certificate_keys;
struct conf;
struct findings;
struct ssl_ctx_st;

/*
 * To be called when the context has all certificates, whose keys are given. 0,
 * or -EINVAL where a cipher that does not encrypt, or does not show who the
 * server is, could be agreed upon; the cause is in findings. Warns of ciphers
 * that cannot be, by their nature, by these certificates or since
 * tls.min_version is "1.3"; of words that stand for none; and where the library
 * cannot heed a client's wish for ChaCha20.
 */
int tls_ciphers_check(struct ssl_ctx_st *, const struct conf *,
    const struct certificate_keys *, struct findings *);

#endif
