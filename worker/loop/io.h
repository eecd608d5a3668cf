/*
 * What came of an operation on a stream: all that its caller must know, for a
 * socket, for TLS, and for whatever else carries one.
 */
#ifndef WORKER_LOOP_IO_H
#define WORKER_LOOP_IO_H

#include <stddef.h>

enum io_outcome {
	IO_DONE,       /* it moved bytes, or had none to move; go on at once */
	IO_WAIT_READ,  /* nothing more until epoll says that it can be read */
	IO_WAIT_WRITE, /* ... or written */
	IO_TURN,       /* there is more, when others have had their turn */
	IO_END,	       /* the peer ended its stream as it should */
	IO_CUT,	       /* ... without the goodbye that its protocol has */
	IO_BROKEN      /* error says why */
};

struct io {
	enum io_outcome outcome;
	/* Of BROKEN: -errno. Of others: what the socket was told meanwhile,
	 * which the kernel tells only once; 0: nothing. */
	int error;
	const char *why; /* of a fault of the protocol: borrowed; may be NULL */
	size_t n;    /* bytes that were moved, also where it has to wait then */
	size_t cost; /* of a receive: its part of a turn's budget, in bytes */
};

static inline struct io
io_outcome(enum io_outcome outcome)
{
	return ((struct io){ .outcome = outcome });
}

static inline struct io
io_broken(int error)
{
	return ((struct io){ .outcome = IO_BROKEN, .error = error });
}

#endif
