/* The state of a dial; private to the files of dial. */
#ifndef WORKER_DIAL_STATE_H
#define WORKER_DIAL_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "worker/dial/dial.h"
#include "worker/loop/loop.h"
#include "worker/dns/resolver.h"

#define FAMILIES 2

/* Every address that the resolver gives may be tried. */
#define ATTEMPTS_MAX (FAMILIES * RESOLVER_ADDRS_MAX)

/* The addresses of one family, and the question for them. */
struct family {
	struct resolver_query query;
	struct dial *dial;
	int af;
	bool wanted, answered;
	enum reason reason;
	char detail[RESOLVER_DETAIL_SIZE]; /* what name servers said */
	struct addr addrs[RESOLVER_ADDRS_MAX];
	size_t naddrs, next;
};

struct attempt {
	struct loop_fd lfd;
	struct dial *dial;
	struct addr addr;
	struct addr local; /* once it is connected; may be unknown */
	size_t try;	   /* index into tried */
	bool line_failed;  /* and not the connection */
	int error;	   /* as in struct dial_report */
};

struct dial {
	struct dial_context *context;
	const struct target *target;
	const struct rule *rule;
	dial_cb *cb;
	void *arg;
	struct loop_task task;
	struct timer timer;
	struct loop_garbage garbage;
	struct family family[FAMILIES]; /* [0] is the preferred one */
	bool interleave;
	unsigned last; /* family of the last attempt; FAMILIES: none yet */
	struct attempt attempts[ATTEMPTS_MAX];
	unsigned nattempts;
	unsigned pending; /* attempts under way */
	struct audit_try tried[AUDIT_TRIED_MAX];
	size_t ntried;
	enum reason reason; /* of the last failure */
	const char *detail;
	int64_t started, resolved, connected; /* 0: not yet */
	int64_t deadline, next_attempt, resolution_end;
};

/* dial.c: does what is to be done now, then waits for the next event. */
void dial_advance(struct dial *);
/* ... This attempt has won. */
void dial_succeeded(struct dial *, struct attempt *);

/* dial_attempt.c: asks the guard about an address, and connects to the very
 * address that was checked. What comes of it is noted in the dial. */
void dial_try(struct dial *, const struct addr *);
/* ... Gives up; no-op where it is closed. */
void dial_attempt_close(struct attempt *);
/* xorshift64 (Marsaglia 2003): to spread load, not to keep a secret. */
uint64_t dial_random(uint64_t *state);

#endif
