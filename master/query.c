#include "master/query.h"

#include <string.h>

#include "common/addr.h"
#include "common/conf.h"
#include "common/guard.h"
#include "common/policy.h"
#include "common/target.h"
#include "master/explain.h"
#include "master/generation.h"
#include "master/options.h"

/* What the arguments say of the tunnel. */
struct asked {
	struct target target;
	struct addr client; /* family 0: unknown */
	struct identity identities[OPTIONS_CLIENTS_MAX];
	struct policy_question question; /* about those */
};

/* What would be dialled as far as it is known without asking a name server;
 * NULL: it is not. */
static const struct addr *
known_address(const struct target *target, const struct rule *rule)
{
	if (rule->connect_to.family != 0)
		return (&rule->connect_to);
	return (target->addr.family != 0 ? &target->addr : NULL);
}

static enum query_result
ask_guard(const struct generation *g, const struct rule *rule,
    const struct addr *addr, FILE *out)
{
	char text[ADDR_TEXT_SIZE];
	const char *why = NULL;
	enum reason reason;

	addr_format(addr, text);
	reason =
	    guard_check(g->guard, addr, rule->networks, rule->nnetworks, &why);
	/* As in a worker: connect_to is the operator's own word. */
	if (reason == REASON_NONE ||
	    (reason == REASON_GUARD && rule->connect_to.family != 0)) {
		fprintf(out, "guard: %s may be dialled\n", text);
		return (QUERY_ALLOWED);
	}
	fprintf(out, "guard: %s is refused: %s%s%s\n", text,
	    reason_text(reason), why != NULL ? ": " : "",
	    why != NULL ? why : "");
	return (QUERY_DENIED);
}

/* The default action is that of a rule for all that stands behind the others;
 * report, that of what would have been without it. */
static enum query_result
tell_decision(const struct generation *g, const struct asked *a,
    const struct rule *rule, FILE *out)
{
	enum rule_action action =
	    rule != NULL ? rule->action : g->conf->default_action;
	static const struct rule no_rule = { .action = RULE_REPORT };
	char text[TARGET_TEXT_SIZE], by[128] = "no rule names it";
	const struct addr *addr;

	target_format(&a->target, text);
	if (rule != NULL)
		snprintf(by, sizeof(by), "rule \"%s\"", rule->name);
	switch (action) {
	case RULE_DENY:
		fprintf(out, "%s: deny%s %s\n", text,
		    rule != NULL ? " by" : ":", by);
		return (QUERY_DENIED);
	case RULE_REPORT:
		fprintf(
		    out, "%s: allow (report): would be denied: %s\n", text, by);
		break;
	case RULE_ALLOW:
		fprintf(out, "%s: allow by %s\n", text, by);
		break;
	}
	if (rule == NULL)
		rule = &no_rule;
	if (rule->line != NULL)
		fprintf(out, "egress: \"%s\"\n", rule->line->name);
	addr = known_address(&a->target, rule);
	return (addr == NULL ? QUERY_ALLOWED : ask_guard(g, rule, addr, out));
}

/* Rules before the one that decides that another client would meet. */
static void
tell_identities(const struct generation *g, const struct asked *a,
    const struct rule *decides, FILE *out)
{
	const struct conf *conf = g->conf;
	const struct rule *r;

	for (r = conf->rules; r < conf->rules + conf->nrules; r++) {
		if (r == decides)
			return;
		if (!explain_names_identities(r) ||
		    !explain_names_target(r, &a->target))
			continue;
		fprintf(out,
		    "rule \"%s\" is for clients with an identity; give one "
		    "with -s\n",
		    r->name);
		return;
	}
}

static bool
names_clients(const struct conf *conf)
{
	size_t i, j;

	for (i = 0; i < conf->nrules; i++)
		for (j = 0; j < conf->rules[i].nclients; j++)
			if (conf->rules[i].clients[j].kind ==
			    RULE_CLIENT_NETWORK)
				return (true);
	return (false);
}

static enum query_result
decide(const struct generation *g, const struct query *query, struct asked *a,
    FILE *out)
{
	struct policy_question *q = &a->question;
	const struct rule *rule;

	q->target = &a->target;
	q->client = &a->client;
	q->identities = a->identities;
	q->identities_known = true;
	rule = policy_decide(g->policy, q).rule;
	if (a->client.family == 0 && names_clients(g->conf))
		fprintf(out,
		    "client: unknown: rules with client addresses are passed "
		    "over; give one with -s\n");
	if (query->explain)
		explain_rules(out, q, g->conf->rules, g->conf->nrules, rule);
	if (q->nidentities == 0)
		tell_identities(g, a, rule, out);
	return (tell_decision(g, a, rule, out));
}

/* 0, or -1: it was said what is wrong. */
static int
parse_client(struct asked *a, const char *text, FILE *err)
{
	struct identity *id = &a->identities[a->question.nidentities];
	size_t len = strlen(text);
	char name[HOSTNAME_SIZE];
	struct addr addr;

	if (addr_parse_ip(&addr, text, len) == 0) {
		if (a->client.family != 0) {
			fprintf(err,
			    "sniport: -s %s: a client has one address\n", text);
			return (-1);
		}
		a->client = addr;
		return (0);
	}
	id->kind = IDENTITY_DNS;
	if (identity_valid_spiffe(text, len))
		id->kind = IDENTITY_SPIFFE;
	else if (hostname_canonical(name, text, len) < 0) {
		fprintf(err,
		    "sniport: -s %s: neither an IP address nor an identity "
		    "(SPIFFE id or DNS name)\n",
		    text);
		return (-1);
	}
	id->text = text;
	id->len = len;
	a->question.nidentities++;
	return (0);
}

enum query_result
query_run(
    const struct generation *g, const struct query *query, FILE *out, FILE *err)
{
	struct asked a = { .client = { 0 } };
	enum reason reason;
	size_t i;

	reason =
	    target_parse(&a.target, query->target, strlen(query->target), 0);
	if (reason != REASON_NONE) {
		fprintf(err, "sniport: -q %s: %s (%s)\n", query->target,
		    reason_text(reason), reason_name(reason));
		return (QUERY_BAD);
	}
	for (i = 0; i < query->nclients && i < OPTIONS_CLIENTS_MAX; i++)
		if (parse_client(&a, query->clients[i], err) != 0)
			return (QUERY_BAD);
	return (decide(g, query, &a, out));
}
