/*
 * Is a peer that owes us acknowledgements still there? The kernel itself tries
 * for a quarter of an hour, and TCP_USER_TIMEOUT ends those too who answer, but
 * whose window is closed. Looks at what the kernel knows of a connection
 * (TCP_INFO) tell the two apart. Who owes nothing is left to keep-alive.
 */
#ifndef WORKER_TUNNEL_SILENCE_H
#define WORKER_TUNNEL_SILENCE_H

#include <stdbool.h>
#include <stdint.h>

/* What was found by the looks so far. Zeroed: nothing was owed. */
struct silence {
	uint64_t acked; /* bytes, at the last look */
	int64_t since;	/* of the first look that found so many, and more to be
			 * acknowledged; 0: nothing is owed */
	bool suspected; /* by the last look */
};

/* What the kernel knows. Times are ns before now. */
struct silence_facts {
	uint64_t acked;	   /* bytes, since the connection was made */
	bool in_flight;	   /* something was sent and not acknowledged */
	bool queued;	   /* something waits to be sent */
	bool window;	   /* the peer takes more */
	unsigned repeated; /* how often in vain since something was acked */
	unsigned probes;   /* of a closed window, unanswered */
	int64_t last_ack;  /* of whatever; also the answer to a probe */
	int64_t last_sent; /* bytes, also repeated ones */
};

enum silence_verdict {
	SILENCE_SETTLED, /* nothing is owed: no further look */
	SILENCE_OWES,	 /* look again at silence_next() */
	SILENCE_LOST	 /* nothing was heard of it for so long */
};

/* 0 or -errno. */
int silence_read(int fd, struct silence_facts *);

/* One look; limit: how long a peer may be silent. Pure. */
enum silence_verdict silence_judge(
    struct silence *, const struct silence_facts *, int64_t now, int64_t limit);

/* How long after bytes were sent to take the first look. Pure. */
int64_t silence_first(int64_t limit);

/* When to look again. Pure. */
int64_t silence_next(const struct silence *, int64_t now, int64_t limit);

#endif
