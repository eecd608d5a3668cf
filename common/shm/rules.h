/*
 * Counts by rule. Each name of a rule has a row, the same in all generations;
 * each worker counts in rows of its own, and what it counted is kept when it is
 * gone. Rules that are gone keep their rows for some time, or until there are
 * too many of these.
 */
#ifndef COMMON_SHM_RULES_H
#define COMMON_SHM_RULES_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/clock.h"
#include "common/log/facts.h"
#include "common/policy/rule.h"

struct shm;

/* There are no more rows. */
#define RULES_ROWS (SIZE_MAX > UINT32_MAX ? 8192 : 512)

/* Of what no rule has decided, and of rules that have found no row. */
#define RULES_REST     0

#define RULES_NAME_MAX 64

/* How long, and how many, rows of rules are kept that no crew has any more. */
#define RULES_GONE_TIME (24 * 3600 * CLOCK_SEC)
#define RULES_GONE_MAX	1000

/* What is summed up. */
enum rules_sum {
	RULES_ALLOW, /* tunnels by decision, as in their audit lines */
	RULES_DENY,
	RULES_REPORT,
	RULES_FROM_CLIENT, /* bytes passed on, of these tunnels */
	RULES_FROM_UPSTREAM,
	RULES_SUMS
};

struct rules_row {
	_Alignas(64) _Atomic uint64_t n[RULES_SUMS];
	/* clock_wall() of the last decision, about; 0: there was none. */
	_Atomic uint64_t last;
};

/* The rows of a crew's rules, by their numbers. */
struct rules_held {
	uint16_t *rows;
	size_t n; /* those from here on have none of their own */
};

/*
 * Finds a row for each rule as far as there are any. 0, to be given back by
 * rules_drop(), or -ENOMEM. Master only.
 */
int rules_hold(struct shm *, const struct rule *, size_t n, int64_t now,
    struct rules_held *);

/* The crew has no worker any more. Master only. */
void rules_drop(struct shm *, struct rules_held *, int64_t now);

/* The slot's worker is gone: keeps what it has counted. Master only, in
 * stats_retire(). */
void rules_retire(struct shm *, int slot);

/* A row of a worker's own, for the rule of that number; FACTS_NONE: no rule. Of
 * rules that are not held (NULL) all are the rest. */
struct rules_row *rules_mine(
    struct shm *, const struct rules_held *, uint32_t rule);

/* A rule, or none, has decided about a tunnel: counts that in its row. Not
 * UNDECIDED. */
void rules_decided(
    struct shm *, struct rules_row *, enum facts_decision, int64_t wall);

#endif
