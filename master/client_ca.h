/* Whose certificates clients may show, from files to an SSL_CTX. */
#ifndef MASTER_CLIENT_CA_H
#define MASTER_CLIENT_CA_H

struct conf;
struct expiries;
struct findings;
struct ssl_ctx_st;

/*
 * Sets trust anchors, revocation lists and the verify mode from client_ca,
 * crl and client_auth, and the session id context, which covers the
 * authorities, whose revocation lists there are, and client_auth: a session
 * that began under other trust is never resumed. When the first of
 * them ends is added to expiries. 0 or -EINVAL; the findings are told.
 */
int client_ca_load(struct ssl_ctx_st *ctx, const struct conf *,
    struct expiries *, struct findings *);

#endif
