/*
 * Waits until a child that was just forked has closed what is not its own.
 *
 * As long as it has a copy of a listening socket, that socket goes on
 * listening, even when all others have closed it: who connects then waits in a
 * queue that nobody serves, and is reset when the copy is closed.
 */
#ifndef MASTER_CLOSING_H
#define MASTER_CLOSING_H

#include <stdbool.h>

struct closing {
	int mine, childs;
};

/* To be called right before fork(2). Without descriptors to spare there is
 * nothing to wait for. */
void closing_begin(struct closing *);

/* In the master, after fork(2): where there is a child, waits until it has
 * closed all that it does not keep, or is gone, or a second is over.
 * The child has nothing to do: what is waited for is among what it closes. */
void closing_await(struct closing *, bool forked);

#endif
