/* When a worker gives memory that it has freed back to the kernel. */
#ifndef WORKER_MEMORY_H
#define WORKER_MEMORY_H

#include <stdbool.h>
#include <stdint.h>

/* The most of something since memory last went back. */
struct memory_peak {
	uint64_t most;
};

/* Zeroed: nothing has been seen. */
struct memory {
	struct memory_peak tunnels, lent;
	uint64_t work; /* until the last look */
	bool idle;     /* nothing was done between the last two looks */
};

/* To be called each turn: notes how many tunnels and buffers there are. */
void memory_note(struct memory *, uint64_t tunnels, uint64_t lent);

/*
 * To be called from time to time, with what memory_note() was given and a
 * count that grows with all that is done. True: memory is to go back. Either
 * nothing was done since the last call, or a quarter or more of the tunnels or
 * of the buffers is gone, however busy the worker is.
 */
bool memory_is_due(
    struct memory *, uint64_t tunnels, uint64_t lent, uint64_t work);

#endif
