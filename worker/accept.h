/* Accepts connections: one per turn, so that a busy worker does not hoard. */
#ifndef WORKER_ACCEPT_H
#define WORKER_ACCEPT_H

#include <stdbool.h>
#include <stdint.h>

struct acceptor;
struct boot;
struct loop;
struct tunnels;

/* Starts to accept. All is borrowed. 0 with *acceptor owned by the caller, or
 * -errno. */
int accept_start(
    struct acceptor **, struct loop *, const struct boot *, struct tunnels *);

/* Takes the connections that come out of fd (see CONTROL_HAND) until it ends,
 * as if they were accepted here. Takes fd. */
void accept_handed(struct acceptor *, int fd);

/* Accepts only on the listeners whose bits are set from now on: what is queued
 * there at once, and what comes until accept_stop(). */
void accept_empty(struct acceptor *, uint64_t listeners);

/* Is there a socket left? */
bool accept_is_open(const struct acceptor *);

/*
 * Stops, and closes this worker's copies of the listening sockets. First it
 * accepts what was handed to it, and what is queued on the listeners whose bits
 * are set, which nobody else will serve.
 */
void accept_stop(struct acceptor *, uint64_t listeners);

/* A tunnel has ended: there may be descriptors again. */
void accept_resume(struct acceptor *);

void accept_free(struct acceptor *);

#endif
