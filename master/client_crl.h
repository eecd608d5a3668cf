/* Which revocation lists count, of those in a file. */
#ifndef MASTER_CLIENT_CRL_H
#define MASTER_CLIENT_CRL_H

struct client_ca;
struct pem_file;

/*
 * Refuses each list that says less than which certificates of its issuer are
 * revoked, and leaves out (NULL) those that their issuer has not signed, and
 * those that a newer one of the same issuer and scope replaces. It tells of
 * each. 0, or -EINVAL with an error among the findings.
 */
int client_crl_choose(struct client_ca *, const struct pem_file *);

#endif
