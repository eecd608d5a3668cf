/* From the rule that decides to the addresses that are dialled. */
#include "common/policy/verdict.h"

#include "common/net/guard.h"

/* What holds for a tunnel that no rule names, where that is let through. */
static const struct rule no_rule = { .action = RULE_REPORT,
	.idle_timeout = -1 };

struct verdict
verdict_of(const struct rule *rule, enum rule_action default_action)
{
	enum rule_action action = rule != NULL ? rule->action : default_action;
	enum reason denial = rule != NULL ? REASON_RULE_DENY : REASON_NO_RULE;
	struct verdict v = { .denied = REASON_NONE,
		.would_deny = REASON_NONE,
		.terms = rule != NULL ? rule : &no_rule };

	switch (action) {
	case RULE_ALLOW:
		break;
	case RULE_REPORT:
		v.would_deny = denial;
		break;
	case RULE_DENY:
		v.denied = denial;
		v.terms = NULL;
		break;
	}
	return (v);
}

const struct addr *
verdict_address(const struct rule *terms, const struct target *target)
{
	if (terms->connect_to.family != 0)
		return (&terms->connect_to);
	return (target->addr.family != 0 ? &target->addr : NULL);
}

unsigned
verdict_families(enum addr_family conf, int families[VERDICT_FAMILIES_MAX])
{
	bool ipv4 = conf == ADDR_FAMILY_IPV4 || conf == ADDR_FAMILY_PREFER_IPV4;

	families[0] = ipv4 ? AF_INET : AF_INET6;
	families[1] = ipv4 ? AF_INET6 : AF_INET;
	return (conf == ADDR_FAMILY_IPV4 || conf == ADDR_FAMILY_IPV6 ? 1 : 2);
}

/* The guard's word, but for what the operator named as connect_to. */
static enum reason
on_terms(const struct rule *terms, enum reason reason)
{
	if (reason == REASON_GUARD && terms->connect_to.family != 0)
		return (REASON_NONE);
	return (reason);
}

static enum reason
check_own(const struct guard *g, const struct rule *terms,
    const struct addr *addr, const char **why)
{
	return (on_terms(terms,
	    guard_check_own(g, addr, terms->networks, terms->nnetworks, why)));
}

enum reason
verdict_dial(const struct guard *g, struct guard_probe *probe,
    const struct rule *terms, const struct addr *addr, const char **why)
{
	enum reason reason = on_terms(terms,
	    guard_check(g, addr, terms->networks, terms->nnetworks, why));
	const char *text = NULL;
	enum reason own;

	if (reason != REASON_NONE)
		return (reason);
	own = check_own(g, terms, addr, &text);
	if (own == REASON_NONE || !guard_leads_here(probe, addr))
		return (REASON_NONE);
	*why = text;
	return (own);
}

enum reason
verdict_connected(const struct guard *g, const struct rule *terms,
    const struct addr *upstream, const struct addr *local, const char **why)
{
	struct addr a = *upstream, b = *local;

	addr_unwrap(&a);
	addr_unwrap(&b);
	if (a.family == 0 || !addr_equal_ip(&a, &b))
		return (REASON_NONE);
	return (check_own(g, terms, upstream, why));
}
