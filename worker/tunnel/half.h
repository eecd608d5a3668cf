/*
 * One of the two mirror halves of a tunnel: a socket, the operations that
 * reach it, and what it received that its peer has not taken yet.
 */
#ifndef WORKER_TUNNEL_HALF_H
#define WORKER_TUNNEL_HALF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "worker/loop/buffer.h"
#include "worker/loop/io.h"
#include "worker/loop/loop.h"
#include "worker/tunnel/silence.h"

struct half;

/*
 * How a half reaches its socket. What an operation needs is behind h->stream;
 * what came of it is said by what it returns, see io.h.
 */
struct half_ops {
	/*
	 * Receives up to size bytes into buf, which holds as many. DONE or
	 * WAIT_READ with bytes; WAIT_READ, TURN, END, CUT or BROKEN without.
	 */
	struct io (*receive)(struct half *, uint8_t *buf, size_t size);
	/* Sends, or takes over, up to len bytes, a chunk at most. DONE or
	 * WAIT_WRITE, with the bytes that it took; BROKEN. */
	struct io (*send)(struct half *, const uint8_t *buf, size_t len);
	/* Sends what was taken over. DONE: nothing is left; WAIT_WRITE;
	 * BROKEN. */
	struct io (*flush)(struct half *);
	/* Ends our stream towards it. DONE, with the bytes of a goodbye that
	 * the protocol has; WAIT_WRITE: what was taken over must be flushed
	 * first, call again; BROKEN. */
	struct io (*finish)(struct half *);
	/* Frees the stream; the socket is the half's. */
	void (*close)(struct half *);
};

struct half {
	struct loop_fd lfd;
	const struct half_ops *ops;
	void *stream; /* of the operations */
	struct buffers *buffers;
	struct half *peer;
	struct buffer pending; /* received here, not yet taken by the peer */
	uint64_t delivered;    /* bytes that the peer took */
	uint32_t room;	       /* that a receive is given; see half_init() */
	uint32_t goodbye;      /* bytes of ours, which were the last */
	const char *why; /* of the error, what the stream's protocol says */
	struct silence silence; /* of the peer at its other end */
	int error;   /* -errno that broke the socket, kept: the kernel tells it
		      * once, then shows an end of stream */
	bool strict; /* an end without the goodbye breaks the half */
	bool readable, writable;
	bool urgent;	 /* EPOLLPRI: a receive stops at urgent bytes */
	bool looked_for; /* by keep-alive */
	bool hangup;	 /* EPOLLRDHUP: read on until the end is seen */
	bool failed;	 /* EPOLLERR: half_socket_error() knows why */
	bool ended;	 /* the end of its stream was received */
	bool truncated;	 /* ... without the goodbye */
	bool finished;	 /* the end of our stream was sent */
	bool settled;	 /* ... and acknowledged, see half_settled() */
};

/* In place; not in the loop, no socket. buffers are borrowed. A receive is
 * given a chunk, less what the frames of its records take if it is a large
 * one. */
void half_init(struct half *, const struct half_ops *, struct buffers *,
    struct half *peer);

/* The same with the operations of a plain socket, which has no stream. */
void half_tcp_init(struct half *, struct buffers *, struct half *peer);

/*
 * The operations, for the pump: what they say of the socket is noted in the
 * half. Of a receive, BROKEN is also what ended without the goodbye and must
 * not, or ended because the socket broke, which the half knows from elsewhere.
 */
struct io half_receive(struct half *, uint8_t *buf);
struct io half_send(struct half *, const uint8_t *buf, size_t len);
struct io half_flush(struct half *);
struct io half_finish(struct half *);

/* Has epoll told already of what may stand behind the bytes that are to be
 * received: the end of the stream, or urgent ones? */
static inline bool
half_behind(const struct half *h)
{
	return (h->hangup || h->urgent);
}

/* Takes note of EPOLL* bits. */
void half_event(struct half *, uint32_t events);

/* Has keep-alive look for its peer from now on, see fd_keepalive(). What is
 * short-lived has no need of it. */
void half_keep_alive(struct half *, int64_t silence);

/* The socket's pending error as -errno, 0: none. It is kept in h->error. */
int half_socket_error(struct half *);

/*
 * Of a client whose connection broke: was all that we sent acknowledged, but
 * perhaps our goodbye? If its stream had ended too, its reset only answers
 * that: many close for good as soon as they have sent their own.
 */
bool half_answered(const struct half *);

/*
 * Was all acknowledged that we sent, our end included (or did its reset only
 * answer that)? epoll tells when the end is: in tcp_rcv_state_process() (Linux
 * 6.1) the states after FIN-WAIT-1, CLOSING and LAST-ACK wake whoever waits.
 */
bool half_settled(struct half *);

/*
 * Takes the socket out of the loop and closes it; with reset, the peer sees a
 * TCP reset and never an end of stream. Closes the stream and returns the
 * buffer. No-op where it is closed already.
 */
void half_close(struct half *, bool reset);

/*
 * Has the peer at its other end been silent for so long, though bytes to it are
 * not acknowledged? If so, h->error is -ETIMEDOUT. If not, *next is made
 * earlier where it has to be looked at again before. limit: timeouts.lost.
 */
bool half_lost(struct half *, int64_t now, int64_t limit, int64_t *next);

/* How long ago, in ns, the kernel sent bytes to the peer, which it may do long
 * after it was given them. INT64_MAX: it only repeats itself, or cannot
 * tell. */
int64_t half_last_sent(const struct half *);

/* Bytes that the kernel has not got acknowledged; 0 where it cannot tell. */
size_t half_unacknowledged(const struct half *);

#endif
