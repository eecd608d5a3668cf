/* One pump for both directions of a tunnel. */
#ifndef WORKER_TUNNEL_RELAY_H
#define WORKER_TUNNEL_RELAY_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "worker/tunnel/half.h"

enum relay_result {
	RELAY_WAIT,	/* for an event on one of the halves */
	RELAY_MORE,	/* the budget is used up, there is more to do */
	RELAY_BROKEN,	/* src->error or src->peer->error says what */
	RELAY_NO_MEMORY /* for a block */
};

/* What a pump may do, and what it did. */
struct relay_work {
	size_t budget;	/* bytes' worth of work that are left */
	size_t arrived; /* bytes that came */
	/* Where what the peer took is told as it is taken, less so many bytes
	 * that did not come from src; NULL: nowhere. */
	_Atomic uint64_t *told;
	size_t untold;
	/* Counters that it is added to as well; NULL: none. */
	_Atomic uint64_t *sums[2];
};

/*
 * Moves bytes from src to its peer until there is nothing to read, the peer
 * takes no more, or the budget is used up, which counts down. The end of src's
 * stream becomes the end of the stream to the peer once all is handed over. At
 * most one block is held when the peer does not take all.
 */
enum relay_result relay_pump(struct half *src, struct relay_work *);

#endif
