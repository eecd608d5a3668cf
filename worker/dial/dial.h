/*
 * The way to the upstream: resolves the target, asks the guard about every
 * address, and races connections to those that are permitted (RFC 8305), a few
 * at a time: one without more ado, and those beside it as the races permit.
 */
#ifndef WORKER_DIAL_DIAL_H
#define WORKER_DIAL_DIAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/conf/conf.h"
#include "common/log/facts.h"
#include "common/net/addr.h"
#include "common/net/target.h"
#include "common/policy/rule.h"
#include "common/reason.h"
#include "worker/dial/context.h"

struct dial;
struct loop_fd;
struct resolver_account;

/* What is known so far. Times are -1 where a step was not reached. */
struct dial_report {
	enum reason reason; /* NONE: connected */
	const char *detail; /* borrowed from the dial, may be NULL */
	struct addr upstream, egress;
	int64_t dns_ns, connect_ns;
	int error;	 /* -errno: it was connected, but is broken already */
	uint32_t events; /* EPOLL* bits that were told of its socket so far */
};

/*
 * Called once, never from within dial_start(). lfd: the connected socket,
 * still in the loop and owned by the dial, to be taken with loop_move();
 * NULL: report->reason says why there is none.
 */
typedef void dial_cb(
    void *arg, const struct dial_report *report, struct loop_fd *lfd);

/* What is to be dialled, for whom. */
struct dial_request {
	const struct target *target; /* borrowed until dial_free() */
	const struct rule *rule;     /* ... */
	uint64_t client;	     /* a hash, on which races are counted */
	/* On which name servers are asked; NULL: nobody's. The caller holds it
	 * until dial_start() has returned. */
	struct resolver_account *account;
	dial_cb *cb;
	dial_try_cb *try_cb;
	void *arg;
};

/* Would a dial put a new question to name servers? */
bool dial_asks(
    struct dial_context *, const struct target *, const struct rule *);

/* Starts. 0 with *dial owned by the caller, or -ENOMEM. */
int dial_start(
    struct dial **, struct dial_context *, const struct dial_request *);

/* What is known so far, for a caller that is about to give up. */
void dial_progress(const struct dial *, struct dial_report *);

/* Gives up what is under way; the callback is not called any more. May be
 * called from within the callback. No-op for NULL. */
void dial_free(struct dial *);

#endif
