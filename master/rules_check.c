/* Looks for rules and egress lines that would not do what was meant. */
#include "master/rules_check.h"

#include <stdlib.h>

#include "common/base/pause.h"
#include "common/conf/conf.h"
#include "common/net/guard.h"
#include "common/policy/shadow.h"
#include "master/findings.h"

/* More of one kind are counted, not told one by one. */
#define TOLD_MAX 10

/* Comparisons of rules: some tenths of a second. */
#define WORK_MAX 20000000

/* Blocks of networks that are looked at. */
#define NETWORKS_MAX 10000

static void
check_any(const struct conf *conf, struct findings *f)
{
	if (conf->nrules > 0)
		return;
	if (conf->default_action == RULE_REPORT)
		findings_add_at(f, LOG_LEVEL_WARNING, conf,
		    &conf->default_action,
		    "there are no rules: every target is let through and "
		    "reported");
	else
		findings_add(f, LOG_LEVEL_WARNING,
		    "there are no rules: every target is denied");
}

static void
check_shadowed(const struct conf *conf, const struct policy *policy,
    struct pause *pause, struct findings *f)
{
	size_t i, work = WORK_MAX, n = 0;
	const struct rule *rule, *by;

	for (i = 0; i < conf->nrules && pause_step(pause) == 0; i++) {
		rule = &conf->rules[i];
		if (!policy_shadowed(policy, conf->rules, i, &work, &by) ||
		    ++n > TOLD_MAX)
			continue;
		if (by != NULL)
			findings_add_at(f, LOG_LEVEL_WARNING, conf, rule,
			    "\"%s\" never decides: rule \"%s\" above takes "
			    "all that it names",
			    rule->name, by->name);
		else
			findings_add_at(f, LOG_LEVEL_WARNING, conf, rule,
			    "\"%s\" never decides: the rules above take all "
			    "that it names",
			    rule->name);
	}
	if (n > TOLD_MAX)
		findings_add(f, LOG_LEVEL_WARNING,
		    "rules: %zu more never decide, since rules above take all "
		    "that they name",
		    n - TOLD_MAX);
}

/* The first network that opens nothing, since nothing in it is closed; NULL:
 * there is none. */
static const struct cidr *
find_open(const struct rule *rule, const struct guard *guard, size_t *left)
{
	size_t i;

	for (i = 0; i<rule->nnetworks && * left> 0; i++, --*left)
		if (!guard_closes(guard, &rule->networks[i]))
			return (&rule->networks[i]);
	return (NULL);
}

static void
check_networks(
    const struct conf *conf, const struct guard *guard, struct findings *f)
{
	size_t i, left = NETWORKS_MAX, n = 0;
	const struct cidr *network;
	char text[ADDR_TEXT_SIZE];
	const struct rule *rule;

	for (i = 0; i < conf->nrules; i++) {
		rule = &conf->rules[i];
		network = find_open(rule, guard, &left);
		if (network == NULL || ++n > TOLD_MAX)
			continue;
		cidr_format(network, text);
		findings_add_at(f, LOG_LEVEL_WARNING, conf, rule,
		    "\"%s\": networks: %s opens nothing: the network guard "
		    "permits all of it without being told",
		    rule->name, text);
	}
	if (n > TOLD_MAX)
		findings_add(f, LOG_LEVEL_WARNING,
		    "rules: %zu more have networks that open nothing",
		    n - TOLD_MAX);
}

static void
check_clients(
    const struct conf *conf, const struct rule *rule, struct findings *f)
{
	const struct rule_client *c;

	for (c = rule->clients; c < rule->clients + rule->nclients; c++) {
		if (c->kind != RULE_CLIENT_IDENTITY ||
		    !rule_says_everybody(c->identity->text, c->identity->len))
			continue;
		findings_add_at(f, LOG_LEVEL_WARNING, conf, rule,
		    "\"%s\": clients: \"%.*s\" is a DNS name that a client's "
		    "certificate must have; for every client, leave clients "
		    "out",
		    rule->name, (int)c->identity->len, c->identity->text);
		return;
	}
}

static bool
has_family(const struct conf_egress *egress, int family)
{
	size_t i;

	for (i = 0; i < egress->nsource; i++)
		if (egress->source[i].family == family)
			return (true);
	return (egress->nsource == 0);
}

static void
check_connect_to(const struct conf *conf, const struct rule *rule,
    const struct guard *guard, struct findings *f)
{
	const struct addr *to = &rule->connect_to;
	char text[ADDR_TEXT_SIZE];

	if (to->family == 0)
		return;
	addr_format(to, text);
	if (guard_check(guard, to, NULL, 0, NULL) == REASON_OWN_LISTENER)
		findings_add_at(f, LOG_LEVEL_WARNING, conf, rule,
		    "\"%s\": connect_to: %s is an address of this host with a "
		    "port that sniport listens on: every tunnel fails",
		    rule->name, text);
	else if (rule->egress_line != NULL &&
		 !has_family(rule->egress_line, to->family))
		findings_add_at(f, LOG_LEVEL_WARNING, conf, rule,
		    "\"%s\": connect_to: egress line \"%s\" has no source "
		    "address to reach %s from: every tunnel fails",
		    rule->name, rule->egress_line->name, text);
}

/* Is there a target whose name is looked up? */
static bool
resolves(const struct rule *rule)
{
	size_t i;

	for (i = 0; i < rule->ndestinations && rule->connect_to.family == 0;
	     i++)
		if (rule->destinations[i].kind != RULE_DESTINATION_NETWORK)
			return (true);
	return (false);
}

static void
check_names(
    const struct conf *conf, const struct rule *rule, struct findings *f)
{
	enum addr_family only = conf->dns.family;
	bool v4 = only == ADDR_FAMILY_IPV4;

	if ((!v4 && only != ADDR_FAMILY_IPV6) || rule->egress_line == NULL ||
	    !resolves(rule) ||
	    has_family(rule->egress_line, v4 ? AF_INET : AF_INET6))
		return;
	findings_add_at(f, LOG_LEVEL_WARNING, conf, rule,
	    "\"%s\": egress line \"%s\" has no %s source address, and "
	    "dns.family is \"%s\": every tunnel to a name fails",
	    rule->name, rule->egress_line->name, v4 ? "IPv4" : "IPv6",
	    v4 ? "ipv4" : "ipv6");
}

static void
check_idle_line(const struct conf *conf, const struct conf_egress *egress,
    struct findings *f)
{
	if (egress->nsource == 0 && egress->device == NULL &&
	    egress->mark == 0 && egress->proxy_protocol == 0)
		findings_add_at(f, LOG_LEVEL_WARNING, conf, &egress->name,
		    "the line \"%s\" changes nothing: it has neither source, "
		    "device, mark nor proxy_protocol",
		    egress->name);
}

static void
check_lines(const struct conf *conf, struct findings *f)
{
	bool *used = calloc(conf->negress + 1, sizeof(*used));
	size_t i;

	if (used == NULL)
		return;
	for (i = 0; i < conf->nrules; i++)
		if (conf->rules[i].egress_line != NULL)
			used[conf->rules[i].egress_line - conf->egress] = true;
	for (i = 0; i < conf->negress; i++) {
		check_idle_line(conf, &conf->egress[i], f);
		if (!used[i])
			findings_add_at(f, LOG_LEVEL_WARNING, conf,
			    &conf->egress[i].name,
			    "no rule names the line \"%s\": nothing leaves by "
			    "it",
			    conf->egress[i].name);
	}
	free(used);
}

void
rules_check(const struct conf *conf, const struct policy *policy,
    const struct guard *guard, struct pause *pause, struct findings *f)
{
	size_t i;

	check_any(conf, f);
	check_shadowed(conf, policy, pause, f);
	check_networks(conf, guard, f);
	for (i = 0; i < conf->nrules && pause_step(pause) == 0; i++) {
		check_clients(conf, &conf->rules[i], f);
		check_connect_to(conf, &conf->rules[i], guard, f);
		check_names(conf, &conf->rules[i], f);
	}
	check_lines(conf, f);
}
