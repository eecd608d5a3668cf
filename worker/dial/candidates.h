/*
 * The addresses that a target has, family by family, in the order in which they
 * are tried (RFC 8305 section 4), and the questions that ask for them.
 */
#ifndef WORKER_DIAL_CANDIDATES_H
#define WORKER_DIAL_CANDIDATES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/net/addr.h"
#include "common/net/target.h"
#include "common/reason.h"
#include "worker/dns/resolver.h"

#define CANDIDATES_FAMILIES 2

/* Every address that the resolver gives may be tried. */
#define CANDIDATES_MAX (CANDIDATES_FAMILIES * RESOLVER_ADDRS_MAX)

struct candidates;

/* The addresses of one family, and the question for them. */
struct candidates_family {
	struct resolver_query query;
	struct candidates *all;
	int af;
	bool wanted, answered;
	enum reason reason;
	char detail[RESOLVER_DETAIL_SIZE]; /* what name servers said */
	struct addr *addrs;		   /* RESOLVER_ADDRS_MAX */
	size_t naddrs, next;
};

struct candidates {
	struct candidates_family
	    family[CANDIDATES_FAMILIES]; /* [0]: preferred */
	bool interleave;
	unsigned last; /* family of the last one; CANDIDATES_FAMILIES: none */
	struct resolver *resolver;
	uint16_t port;
	uint64_t *random;
	void (*cb)(struct candidates *); /* there is one more answer */
	/* Last, since it is much, of which most is never looked at: it has no
	 * values but those that an answer gave it. */
	struct addr room[CANDIDATES_FAMILIES][RESOLVER_ADDRS_MAX];
};

/* Only this address is tried; nobody is asked. */
void candidates_set(struct candidates *, const struct addr *);

/*
 * Asks for those of the target's name; cb may be called from within. resolver
 * and random (not 0; where to begin in an answer) are borrowed until
 * candidates_cancel(), target for the call. account: as in struct dial_request.
 */
void candidates_ask(struct candidates *, struct resolver *, uint64_t *random,
    enum addr_family, const struct target *, struct resolver_account *,
    void (*cb)(struct candidates *));

/* Would that ask name servers what nobody has asked them yet? */
bool candidates_would_ask(
    struct resolver *, enum addr_family, const struct target *);

/* Gives up questions that are under way. */
void candidates_cancel(struct candidates *);

/* The next one, borrowed; NULL: none is left yet. */
const struct addr *candidates_next(struct candidates *);

/* Has there been any so far? */
bool candidates_any(const struct candidates *);

/* May more come; and of the family that is preferred? */
bool candidates_awaited(const struct candidates *);
bool candidates_preferred_awaited(const struct candidates *);

/* Why there is no address, when all answers are in. */
enum reason candidates_reason(const struct candidates *);

/* What name servers said of a family whose look-up ended for that reason; NULL:
 * nothing. Borrowed. */
const char *candidates_detail(const struct candidates *, enum reason);

#endif
