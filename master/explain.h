/* Why a rule does, or does not, match. */
#ifndef MASTER_EXPLAIN_H
#define MASTER_EXPLAIN_H

#include <stdio.h>

#include "common/policy/policy.h"

/*
 * Writes a line for each of n rules, in their order, up to the one that
 * decides (NULL: all). A client whose family is 0 is unknown.
 */
void explain_rules(FILE *, const struct policy_question *,
    const struct rule *rules, size_t n, const struct rule *decides);

/* Does the rule name clients of that kind? And the target? */
bool explain_names_clients(const struct rule *, enum rule_client_kind);
bool explain_names_target(const struct rule *, const struct target *);

#endif
