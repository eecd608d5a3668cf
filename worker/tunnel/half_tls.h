/* The half of a tunnel whose stream is a TLS session. */
#ifndef WORKER_TUNNEL_HALF_TLS_H
#define WORKER_TUNNEL_HALF_TLS_H

#include "worker/tls/tls.h"
#include "worker/tunnel/half.h"

/* The stream is the session; NULL: none yet, and then only close may be
 * called. */
extern const struct half_ops half_tls_ops;

/* In place, as half_init(). A receive is given a block. */
void half_tls_init(struct half *, struct buffers *, struct half *peer);

/* The session, of a half with these operations; NULL: none. */
static inline struct tls *
half_tls(const struct half *h)
{
	return (h->stream);
}

#endif
