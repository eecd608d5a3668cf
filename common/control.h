/*
 * Messages between the master and a worker, or the admin process: fixed-size
 * records over a SOCK_SEQPACKET socketpair, with descriptors attached where
 * they say so.
 */
#ifndef COMMON_CONTROL_H
#define COMMON_CONTROL_H

#include <stddef.h>
#include <stdint.h>

#include "common/net/addr.h"

#define CONTROL_FDS_MAX 1

/* A message has to fit where a worker awaits some (TABLE_AWAIT_SIZE). */
#define CONTROL_NUMBERS_MAX 6

enum control_type {
	/* worker to master */
	CONTROL_READY = 1, /* accepting from now on */
	/* master to worker */
	CONTROL_DRAIN,	    /* stop accepting, exit after the last tunnel */
	CONTROL_END,	    /* reset every tunnel for `reason`, exit at once */
	CONTROL_RELEASE,    /* close what is still open after DRAIN */
	CONTROL_HAND,	    /* fd: has CONTROL_CONNECTIONs to be read, and then
			  * ends; their worker is down */
	CONTROL_CONNECTION, /* fd: `client`'s, accepted on `listener` */
	/* both ways */
	CONTROL_PING, /* to a worker, which answers */
	CONTROL_PONG, /* that it takes messages */
	/* worker to master */
	CONTROL_EMPTIED, /* after DRAIN with listeners: what was queued there
			  * is accepted; they stay open until RELEASE, since
			  * more may come while the master has them open */
	/* master to admin process, to which DRAIN means: accept no more, exit
	 * when the requests that it has are answered, or at the deadline */
	CONTROL_WORKER, /* fd: to read the table of that worker, which was
			  * started */
	CONTROL_GONE,	/* that worker, which it was told of, is gone */
	/* admin process to master */
	CONTROL_RELOAD, /* reload; `token`: of whoever asks for the report */
	/* admin process to master, which passes it on to the worker */
	CONTROL_CLOSE, /* an operator ends those tunnels of that worker */
	/* admin process to master */
	CONTROL_UPGRADE /* become the program that lies there now; `token` */
};

/* Both sides are of one version, or what they say is refused. */
#define CONTROL_VERSION 6

struct control_msg {
	uint32_t version; /* filled in by control_send() */
	uint32_t size;	  /* so is this */
	uint32_t type;
	uint32_t reason;    /* DRAIN with deadline, END: enum reason */
	int64_t deadline;   /* on clock_now(). DRAIN: of its tunnels,
			     * CLOCK_NEVER: none; END: of its log lines */
	uint64_t listeners; /* DRAIN, END: bit per listener of the worker's own
			     * configuration that nobody serves any more; what
			     * is queued there is accepted first */
	uint32_t listener;  /* CONNECTION: index into the worker's own */
	struct addr client;
	/* WORKER, GONE, CLOSE: whose slot of the shared memory. */
	uint32_t slot, worker, generation;
	uint32_t count; /* CLOSE: how many numbers there are, not 0 */
	uint64_t numbers[CONTROL_NUMBERS_MAX]; /* of tunnels, in its worker */
	uint64_t token;			       /* RELOAD, UPGRADE; not 0 */
};

/* A non-blocking, close-on-exec pair. 0 or -errno. */
int control_pair(int fd[2]);

/* Sends one message with nfds descriptors (borrowed). 0 or -errno. */
int control_send(
    int fd, const struct control_msg *, const int *fds, size_t nfds);

/*
 * Receives one. 1 with *msg and up to CONTROL_FDS_MAX owned descriptors in
 * fds (*nfds of them, close-on-exec); 0: the other side is gone; -EAGAIN;
 * -EMFILE: it is one, but there was no room for its descriptor, which is gone;
 * -EPROTO: not a message (wrong version, size or type; descriptors are closed).
 * The kernel itself writes *msg, which is changed whatever comes of it.
 */
int control_recv(
    int fd, struct control_msg *, int fds[CONTROL_FDS_MAX], size_t *nfds);

#endif
