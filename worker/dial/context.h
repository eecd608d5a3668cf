/* What all dials of a worker share. */
#ifndef WORKER_DIAL_CONTEXT_H
#define WORKER_DIAL_CONTEXT_H

#include <stddef.h>
#include <stdint.h>

#include "common/net/addr.h"
#include "common/net/guard.h"
#include "worker/dial/egress.h"
#include "worker/dial/races.h"

struct facts_try;
struct loop;
struct resolver;

/* Borrowed. */
struct dial_context {
	struct loop *loop;
	struct resolver *resolver;
	const struct guard *guard;
	struct guard_probe probe; /* owned */
	struct dial_lines lines;
	struct races races; /* attempts beyond the first of each dial */
	enum addr_family family;
	int64_t timeout; /* for resolving and connecting together, ns */
	uint64_t random; /* not 0; where to begin in the addresses of a name */
};

/*
 * Called for each address when it is dialled (NONE), or refused, and again when
 * it has failed; also from within dial_start(). place: 0 for the first one; the
 * last of FACTS_TRIED_MAX is shared by all that come when the others are taken.
 */
typedef void dial_try_cb(void *arg, size_t place, const struct facts_try *);

#endif
