/*
 * How each TLS library seals and opens tickets, and puts our note into them:
 * tickets_openssl.c or tickets_awslc.c; private to tls. A ticket that the other
 * library has made is one that cannot be opened: a full handshake follows.
 */
#ifndef WORKER_TLS_TICKETS_H
#define WORKER_TLS_TICKETS_H

#include <openssl/ssl.h>

struct tls_context;

/* Sets the callbacks of a context. 0 or -ENOMEM; tickets_unset() is due in any
 * case, when no session is left. */
int tickets_set(struct tls_context *);
void tickets_unset(struct tls_context *);

/* In the handshake, when the client's certificate is verified: the session gets
 * no ticket, or an empty one where TLS 1.2 has promised it already (RFC 5077
 * section 3.3). Beside that tls_resume_ticket() answers false. 0 or -ENOMEM. */
int tickets_refuse(SSL *);

/* When it was verified: the session keeps of the client's
 * certificates no more than a ticket needs, and says how long it is good. */
void tickets_limit(SSL *);

#endif
