/*
 * Connections that the master has accepted, on their way to a worker.
 *
 * A worker that was broken into can make the last close(2) of a connection wait
 * for as long as it likes, so the last close must not be ours. The connections
 * are put into a socket pair, and our own copies are closed, before the worker
 * gets the end that they come out of. We keep a copy of that end, and close it
 * when nothing is left in it or the worker is dead.
 */
#ifndef MASTER_HAND_H
#define MASTER_HAND_H

#include <stdbool.h>
#include <stdint.h>

#include "common/net/addr.h"

/* So many at once. */
#define HAND_MAX 64

struct hand {
	int in, out;   /* the pair; -1: nothing is on its way */
	unsigned n;    /* of connections that were put in */
	bool sealed;   /* no more can be put in */
	bool sent;     /* the worker may have it */
	int64_t since; /* when it was sent */
	int unread;    /* what the kernel said last */
	int64_t moved; /* when it said something else */
};

/* One of them. */
struct hand_connection {
	int fd;		   /* -1: it was reset, for want of descriptors */
	uint32_t listener; /* of the worker's configuration */
	struct addr client;
};

void hand_init(struct hand *);

/* Is nothing on its way? */
bool hand_is_free(const struct hand *);

/* Can one more be added? Not after hand_send(). */
bool hand_has_room(const struct hand *);

/* So that one can be added. 0, or -errno: there are no descriptors. */
int hand_open(struct hand *);

/* Takes the connection in any case. 0, or -errno: it was reset. */
int hand_add(struct hand *, const struct hand_connection *);

/* Gives the worker with that control socket what was added. 0; or -errno: it
 * was not told, and it can be tried again. */
int hand_send(struct hand *, int control_fd, int64_t now);

/* Closes it if the worker has taken everything. Returns when to look again;
 * CLOCK_NEVER: it is closed, or was not sent. */
int64_t hand_look(struct hand *, int64_t now);

/* Has the worker taken nothing for so long? */
bool hand_is_stuck(const struct hand *, int64_t now, int64_t patience);

/*
 * Takes one out that was not sent, or that its worker, dead or alive, has not
 * taken: each comes out once, here or there, and no worker can look at one
 * without taking it (sandbox.c). What one that is dead may have done to it is
 * undone (silence is for fd_keepalive()). False: there are no more. *c is owned
 * by the caller.
 */
bool hand_take_back(struct hand *, struct hand_connection *c, int64_t silence);

/* Closes it, and resets what is in it. Not while a worker has it. */
void hand_close(struct hand *);

#endif
