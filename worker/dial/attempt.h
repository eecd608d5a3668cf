/* One connection to one address, by an egress line. */
#ifndef WORKER_DIAL_ATTEMPT_H
#define WORKER_DIAL_ATTEMPT_H

#include <stdbool.h>
#include <stdint.h>

#include "common/net/addr.h"
#include "common/reason.h"
#include "worker/loop/loop.h"

struct attempt;
struct conf_egress;
struct dial_lines;
struct guard_probe;

/* It has ended well or badly, and is still in the loop. */
typedef void attempt_cb(struct attempt *);

struct attempt {
	struct loop_fd lfd; /* of the socket; -1: none */
	struct loop *loop;
	attempt_cb *cb;
	struct addr addr;
	struct addr local;  /* once it is connected; may be unknown */
	uint32_t events;    /* EPOLL* bits that were told of the socket */
	int error;	    /* errno; 0: it is connected, or under way */
	bool egress_failed; /* and not the connection */
};

/* How to connect. */
struct attempt_way {
	struct loop *loop;
	const struct conf_egress *egress; /* NULL: as routed */
	const struct dial_lines *lines;
	uint64_t *random; /* not 0; which source comes first */
	struct guard_probe *probe;
};

/*
 * Starts to connect; cb is called once, never from within. 0; or -errno, which
 * is in a->error too, and cb is not called. Where one source address has no
 * free port towards this upstream, another one of the egress line may have.
 */
int attempt_start(struct attempt *, const struct attempt_way *,
    const struct addr *, attempt_cb *);

/* Gives up; no-op where it is closed. */
void attempt_close(struct attempt *);

/* Is it under way? */
bool attempt_open(const struct attempt *);

/*
 * Was it connected and then reset? Linux (tcp_reset()) has another error for a
 * connection that is refused. One that was established may have left bytes.
 */
bool attempt_was_connected(const struct attempt *);

/* Why it failed. */
enum reason attempt_reason(const struct attempt *);

/* xorshift64 (Marsaglia 2003): to spread load, not to keep a secret. */
uint64_t attempt_random(uint64_t *state);

#endif
