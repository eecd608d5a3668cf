/* The half of a tunnel whose stream is a TLS session. */
#ifndef WORKER_TUNNEL_HALF_TLS_H
#define WORKER_TUNNEL_HALF_TLS_H

#include "worker/tunnel/half.h"

/* In place, as half_init(). A receive is given a block. */
void half_tls_init(struct half *, struct buffers *, struct half *peer);

#endif
