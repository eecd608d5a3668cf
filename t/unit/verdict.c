/*
 * What a decision means for a tunnel: actions, addresses, and where it was
 * connected to.
 */
#include "common/policy/verdict.h"

#include <netinet/in.h>
#include <stdlib.h>

#include "common/net/guard.h"
#include "t/unit/addresses.h"
#include "t/unit/tap.h"

static void
test_actions(void)
{
	struct rule rule = { .action = RULE_ALLOW };
	struct verdict v = verdict_of(&rule, RULE_DENY);

	ok(v.denied == REASON_NONE && v.would_deny == REASON_NONE, "allow");
	ok(v.terms == &rule, "on the rule's terms");
	rule.action = RULE_REPORT;
	v = verdict_of(&rule, RULE_DENY);
	ok(v.denied == REASON_NONE && v.would_deny == REASON_RULE_DENY,
	    "report");
	ok(v.terms == &rule, "on the rule's terms");
	rule.action = RULE_DENY;
	v = verdict_of(&rule, RULE_REPORT);
	ok(v.denied == REASON_RULE_DENY && v.terms == NULL, "deny");
	v = verdict_of(NULL, RULE_DENY);
	ok(v.denied == REASON_NO_RULE && v.terms == NULL, "no rule: deny");
	v = verdict_of(NULL, RULE_REPORT);
	ok(v.denied == REASON_NONE && v.would_deny == REASON_NO_RULE,
	    "no rule: report");
	ok(v.terms != NULL && v.terms->idle_timeout == -1 &&
		v.terms->max_tunnels == 0 && v.terms->connect_to.family == 0,
	    "on terms without anything special");
}

static void
test_addresses(void)
{
	struct rule rule = { .action = RULE_ALLOW };
	struct target name, literal;
	int families[VERDICT_FAMILIES_MAX];

	if (target_parse(&name, "a.test:443", 10, 0) != REASON_NONE ||
	    target_parse(&literal, "192.0.2.1:443", 13, 0) != REASON_NONE)
		abort();
	ok(verdict_address(&rule, &name) == NULL, "a name is looked up");
	ok(verdict_address(&rule, &literal) == &literal.addr,
	    "an address is dialled");
	rule.connect_to = address_of("192.0.2.2:80", 443);
	ok(verdict_address(&rule, &name) == &rule.connect_to &&
		verdict_address(&rule, &literal) == &rule.connect_to,
	    "but for connect_to");
	ok(verdict_families(ADDR_FAMILY_ANY, families) == 2 &&
		families[0] == AF_INET6 && families[1] == AF_INET,
	    "any: IPv6 first");
	ok(verdict_families(ADDR_FAMILY_PREFER_IPV4, families) == 2 &&
		families[0] == AF_INET && families[1] == AF_INET6,
	    "prefer-ipv4");
	ok(verdict_families(ADDR_FAMILY_IPV4, families) == 1 &&
		families[0] == AF_INET,
	    "ipv4 alone");
	ok(verdict_families(ADDR_FAMILY_IPV6, families) == 1 &&
		families[0] == AF_INET6,
	    "ipv6 alone");
}

/* What the guard did not know before is seen by both ends being one. */
static void
test_connected(void)
{
	struct addr listener = address_of("0.0.0.0:8443", 443), a, b,
		    none = { 0 };
	struct cidr network;
	struct rule rule = { .action = RULE_ALLOW, .networks = &network };
	const char *why = NULL;
	struct guard *g;

	if (guard_new(&g, NULL, 0, &listener, 1) != 0 ||
	    cidr_parse(&network, "8.8.8.0/24", 10) != 0)
		abort();
#define C() verdict_connected(g, &rule, &a, &b, &why)
	a = address_of("8.8.8.8:443", 443);
	b = address_of("8.8.4.4:40000", 443);
	is_int(C(), REASON_NONE, "two addresses");
	is_int(verdict_connected(g, &rule, &a, &none, &why), REASON_NONE,
	    "one is unknown");
	ok(why == NULL, "  and nothing to tell");
	b = address_of("8.8.8.8:40000", 443);
	is_int(C(), REASON_GUARD, "one address: this host");
	is_str(why, "Address of this host", "  and why");
	a = address_of("64:ff9b::8.8.8.8", 443);
	a.port = 443;
	is_int(C(), REASON_GUARD, "in another spelling");
	a = address_of("8.8.8.8:8443", 443);
	is_int(C(), REASON_OWN_LISTENER, "an own listener");
	a.port = 443;
	rule.nnetworks = 1;
	is_int(C(), REASON_NONE, "opened by networks");
	a.port = 8443;
	is_int(C(), REASON_OWN_LISTENER, "but for an own listener");
	rule.nnetworks = 0;
	a.port = 443;
	rule.connect_to = a;
	is_int(C(), REASON_NONE, "named as connect_to");
	a.port = 8443;
	is_int(C(), REASON_OWN_LISTENER, "but for an own listener");
#undef C
	guard_free(g);
}

int
main(void)
{
	test_actions();
	test_addresses();
	test_connected();
	return (done_testing());
}
