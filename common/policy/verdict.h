/*
 * What the rules' answer means for a tunnel, and which addresses it leads to:
 * decided here alone, for workers and for sniport -q.
 */
#ifndef COMMON_POLICY_VERDICT_H
#define COMMON_POLICY_VERDICT_H

#include <stddef.h>

#include "common/net/addr.h"
#include "common/net/target.h"
#include "common/policy/rule.h"
#include "common/reason.h"

struct guard;
struct guard_probe;

struct verdict {
	enum reason denied;	/* NONE: it is let through */
	enum reason would_deny; /* let through by "report": why it would not */
	/* What holds for the tunnel that is let through: the rule, or what is
	 * static where no rule names it. NULL: denied. */
	const struct rule *terms;
};

/* rule: that of policy_decide(); NULL: no rule names the tunnel. */
struct verdict verdict_of(const struct rule *, enum rule_action default_action);

/* The address that is dialled without a look-up, borrowed from the terms or
 * the target; NULL: the target's name is looked up. */
const struct addr *verdict_address(
    const struct rule *terms, const struct target *);

/* The families, AF_INET and AF_INET6, that a name is looked up in, the
 * preferred one first; returns how many. */
#define VERDICT_FAMILIES_MAX 2
unsigned verdict_families(enum addr_family, int families[VERDICT_FAMILIES_MAX]);

/*
 * May this address, with its port, be dialled on these terms? As guard_check(),
 * and the kernel is asked whether the address is this host's where that makes
 * a difference. An address that the operator named as connect_to may, unless
 * it is an own listener. *why is set as there, and only where it is refused.
 */
enum reason verdict_dial(const struct guard *, struct guard_probe *,
    const struct rule *terms, const struct addr *, const char **why);

/* The same for a connection from local, when the upstream may yet have turned
 * out to be this host: both its ends have one address then. */
enum reason verdict_connected(const struct guard *, const struct rule *terms,
    const struct addr *upstream, const struct addr *local, const char **why);

#endif
