/* Rules that can never decide, because rules above them take all they name. */
#ifndef COMMON_POLICY_SHADOW_H
#define COMMON_POLICY_SHADOW_H

#include <stdbool.h>
#include <stddef.h>

#include "common/policy/policy.h"

/*
 * Is whatever rules[i] names, each destination for each client and port, named
 * by a rule before it? True only where that is certain; *by is the rule that
 * takes all of it, NULL where several do so together. False also where it takes
 * several destinations or blocks of clients to cover one of this rule's, but
 * for their ports. Destinations of all rules must be there still.
 * Each call takes away from *work what it has done, and gives up when nothing
 * is left, so that a bound holds for all rules of a configuration.
 */
bool policy_shadowed(const struct policy *, const struct rule *rules, size_t i,
    size_t *work, const struct rule **by);

#endif
