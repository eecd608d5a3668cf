/* Certificates and keys, from files to an SSL_CTX that workers inherit. */
#ifndef MASTER_TLS_LOAD_H
#define MASTER_TLS_LOAD_H

struct conf;
struct expiries;
struct findings;
struct ssl_ctx_st;

/*
 * Makes the server's context; the worker sets its own callbacks. Findings get
 * every error, and warnings for what works but should not be. expiries are set
 * to all that ends, by names of files that are the configuration's. 0 with *ctx
 * owned by the caller (SSL_CTX_free), or -EINVAL.
 */
int tls_load(struct ssl_ctx_st **ctx, const struct conf *, struct expiries *,
    struct findings *);

/* The same, but that nothing is kept of it. */
int tls_try(const struct conf *, struct findings *);

#endif
