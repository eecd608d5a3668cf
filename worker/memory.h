/*
 * When a worker gives memory that it has freed back to the kernel: in pieces,
 * over some seconds, from when a burst is over or all is quiet. Pure.
 */
#ifndef WORKER_MEMORY_H
#define WORKER_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/clock.h"

/* How often a piece is given back meanwhile. */
#define MEMORY_INTERVAL (25 * CLOCK_MSEC)

/* What the memory of a worker depends on: how many there are. */
struct memory_use {
	uint64_t tunnels, lent; /* lent: buffers */
};

/* Zeroed: nothing has been seen. */
struct memory {
	struct memory_use most; /* since memory was last collected */
	uint64_t work;		/* until the last look */
	bool idle;		/* nothing was done between the last two */
	bool giving;		/* memory goes back now */
	bool asked;		/* it is to be collected */
	int64_t look_at, until;
};

/*
 * To be called each turn. True: a burst is over, that is a quarter or more of
 * the tunnels or of the buffers is gone, however busy the worker is. Memory is
 * to go back from now on: memory_turn() each MEMORY_INTERVAL.
 */
bool memory_note(struct memory *, const struct memory_use *);

/* To be called from time to time with a count that grows with all that is done.
 * True, as above: nothing was done since the last call. */
bool memory_look(struct memory *, uint64_t work);

enum memory_step {
	MEMORY_PIECE,  /* gives back a piece */
	MEMORY_CHECK,  /* the same, then asks memory_goes_on() */
	MEMORY_COLLECT /* the same, after all that is unused was freed */
};
enum memory_step memory_turn(
    struct memory *, const struct memory_use *, int64_t now);

/* unused: bytes that are free and not yet back. False: it is over; what is left
 * are few enough to go at once, or belong to what goes on. */
bool memory_goes_on(struct memory *, size_t unused, int64_t now);

#endif
