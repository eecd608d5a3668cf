/* Whose certificates clients may show, from files to an SSL_CTX. */
#ifndef MASTER_CLIENT_CA_H
#define MASTER_CLIENT_CA_H

struct conf;
struct findings;
struct ssl_ctx_st;

/*
 * Sets trust anchors, revocation lists and the verify mode from client_ca,
 * crl and client_auth, and the session id context, which covers all three: a
 * session that began under other trust is never resumed. 0 or -EINVAL with
 * the findings told.
 */
int client_ca_load(
    struct ssl_ctx_st *ctx, const struct conf *, struct findings *);

#endif
