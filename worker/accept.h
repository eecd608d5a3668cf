/*
 * Accepts connections: one per turn of the loop, but many where many wait. If
 * they have to wait then it is here, where it is known who they are, and not in
 * the kernel's queue.
 */
#ifndef WORKER_ACCEPT_H
#define WORKER_ACCEPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct acceptor;
struct addr;
struct boot;
struct loop;

/* Who is given what comes to a listener. */
struct accept_to {
	void *arg;
	/* Is there room for one more, beside so many listening sockets? */
	bool (*room)(void *arg, size_t sockets);
	/* One may come to the listener of that index: where the kernel shall
	 * write its socket address, of so many bytes, when it accepts it. */
	void *(*await)(void *arg, unsigned listener, socklen_t *len);
	/* One may come that others accepted: where the kernel shall write the
	 * message that has it, with its address so many bytes from there. */
	void *(*await_handed)(void *arg, size_t addr);
	/* None did. */
	void (*await_no_more)(void *arg);
	/* Takes the connection fd of a client, which came to the listener of
	 * that index. */
	void (*take)(void *arg, int fd, const struct addr *, unsigned listener);
	/* Takes one that there is no room for, and that nobody else will serve:
	 * it is told of, and closed. */
	void (*refuse)(
	    void *arg, int fd, const struct addr *, unsigned listener);
	/* Nothing is accepted for a while, for want of room or memory. */
	void (*paused)(void *arg);
};

/* Starts to accept on all sockets that the worker was born with. All is
 * borrowed. 0 with *acceptor owned by the caller, or -errno. */
int accept_start(struct acceptor **, struct loop *, const struct boot *,
    const struct accept_to *);

/* Takes the connections that come out of fd (see CONTROL_HAND) until it ends,
 * as if they were accepted here. Takes fd. */
void accept_handed(struct acceptor *, const struct accept_to *, int fd);

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
