/* What was counted by rule, for a process that is not the master. */
#ifndef COMMON_SHM_RULES_READER_H
#define COMMON_SHM_RULES_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/shm/rules.h"

/* A rule, or what used to be one. */
struct rules_total {
	char name[RULES_NAME_MAX + 1]; /* "": the rest, see RULES_REST */
	enum rule_action action;       /* as it was last */
	bool gone;		       /* no generation has it any more */
	uint64_t n[RULES_SUMS];
	int64_t last; /* clock_wall() of its last decision; 0: none */
};

/* Of one reader, which joined by shm_join_reader(). */
struct rules_reader;

/* Without any rules. 0 or -ENOMEM. */
int rules_reader_new(struct rules_reader **);
void rules_reader_free(struct rules_reader *);

/*
 * Brings it up to date: it is as at some moment of the call, and no sum of a
 * rule goes back as long as its name is known. 0; -EAGAIN: the master was at
 * work on them all the time, so all stays as it was.
 */
int rules_read(struct rules_reader *, struct shm *);

/* The next one, from 0 on, in no order; NULL: there is none. */
const struct rules_total *rules_each(const struct rules_reader *, size_t *at);

#endif
