/*
 * One of the two mirror halves of a tunnel: a socket, the operations that
 * reach it, and what it received that its peer has not taken yet.
 */
#ifndef WORKER_TUNNEL_HALF_H
#define WORKER_TUNNEL_HALF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "worker/loop/buffer.h"
#include "worker/loop/loop.h"
#include "worker/tunnel/silence.h"

struct half;
struct tls;

/* How a half reaches its socket. Values are sizes or -errno. */
struct half_ops {
	/*
	 * Receives up to a chunk into buf, which holds a block. > 0; 0: the
	 * peer ended its stream as it should; -EPIPE: it ended without the
	 * goodbye that the protocol has; -EAGAIN, with h->readable where
	 * there is more, after others; other -errno: broken, which is what
	 * h->error says, if it was set before, once there is nothing more.
	 * Sets h->cost to what it cost of a turn's budget, in bytes.
	 */
	ssize_t (*receive)(struct half *, uint8_t *buf, size_t size);
	/* Sends or takes over up to len bytes, a chunk at most. > 0; -EAGAIN;
	 * other -errno: broken. */
	ssize_t (*send)(struct half *, const uint8_t *buf, size_t len);
	/* Sends what was taken over. 0: nothing is left; -EAGAIN; -errno. */
	int (*flush)(struct half *);
	/* Ends our stream towards it. 0; -EAGAIN: what was taken over must be
	 * flushed first, call again; other -errno: broken. */
	int (*finish)(struct half *);
};

struct half {
	struct loop_fd lfd;
	const struct half_ops *ops;
	struct tls *tls; /* of the TLS half; owned by it */
	struct buffers *buffers;
	struct half *peer;
	struct buffer unsent; /* received here, not yet taken by the peer */
	size_t cost;	      /* of the last receive */
	uint64_t received;    /* bytes that the peer took */
	int error;	      /* -errno that broke the socket, kept: the kernel
			       * tells it once and then shows an end of stream */
	struct silence silence; /* of the peer at its other end */
	bool strict; /* an end without the goodbye breaks the socket: receive
		      * gives -ECONNABORTED for -EPIPE */
	bool readable, writable;
	bool urgent;	/* EPOLLPRI: a receive stops at urgent bytes */
	bool hangup;	/* EPOLLRDHUP: read on until the end is seen */
	bool failed;	/* EPOLLERR: half_socket_error() knows why */
	bool ended;	/* the end of its stream was received */
	bool truncated; /* ... without the goodbye */
	bool finished;	/* the end of our stream was sent */
};

extern const struct half_ops half_tcp_ops;
extern const struct half_ops half_tls_ops;

/* In place; not in the loop, no socket. buffers are borrowed. */
void half_init(struct half *, const struct half_ops *, struct buffers *,
    struct half *peer);

/* Takes note of EPOLL* bits. */
void half_event(struct half *, uint32_t events);

/* The socket's pending error as -errno, 0: none. It is kept in h->error. */
int half_socket_error(struct half *);

/*
 * Of a client whose connection broke: was all that we sent acknowledged, but
 * perhaps our goodbye? If its stream had ended too, its reset only answers
 * that: many close for good as soon as they have sent their own.
 */
bool half_answered(const struct half *);

/*
 * Takes the socket out of the loop and closes it; with reset, the peer sees a
 * TCP reset and never an end of stream. Frees the TLS session and returns the
 * buffer. No-op where it is closed already.
 */
void half_close(struct half *, bool reset);

/*
 * Has the peer at its other end been silent for so long, though bytes to it are
 * not acknowledged? If so, h->error is -ETIMEDOUT. If not, *next is made earlier
 * where it has to be looked at again before. limit: timeouts.lost.
 */
bool half_lost(struct half *, int64_t now, int64_t limit, int64_t *next);

/* How long ago, in ns, the kernel sent bytes to the peer, which it may do long
 * after it was given them. INT64_MAX: it only repeats itself, or cannot tell. */
int64_t half_last_sent(const struct half *);

/* Bytes that the kernel has not got acknowledged; 0 where it cannot tell. */
size_t half_unacknowledged(const struct half *);

#endif
