/*
 * Answers sniport -q: asks the policy about one target and one client, and
 * prints what it decides.
 */
#include "master/query.h"

#include <string.h>

#include "common/conf/conf.h"
#include "common/net/addr.h"
#include "common/net/guard.h"
#include "common/net/hosts.h"
#include "common/net/target.h"
#include "common/policy/policy.h"
#include "common/policy/verdict.h"
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

static enum query_result
ask_guard(const struct generation *g, const struct rule *terms,
    const struct addr *addr, FILE *out)
{
	char text[ADDR_TEXT_SIZE];
	const char *why = NULL;
	struct guard_probe probe;
	enum reason reason;

	guard_probe_init(&probe);
	reason = verdict_dial(g->guard, &probe, terms, addr, &why);
	guard_probe_fini(&probe);
	addr_format(addr, text);
	if (reason == REASON_NONE) {
		fprintf(out, "guard: %s may be dialled\n", text);
		return (QUERY_ALLOWED);
	}
	fprintf(out, "guard: %s is refused: %s\n", text,
	    why != NULL ? why : reason_text(reason));
	return (QUERY_DENIED);
}

/* The addresses of the target's name in the families that are looked up, as
 * far as they are known; in *known whether no name server is asked. */
static size_t
find_addresses(const struct generation *g, const struct target *target,
    struct addr addrs[VERDICT_FAMILIES_MAX * HOSTS_ADDRS_MAX], bool *known)
{
	int families[VERDICT_FAMILIES_MAX];
	unsigned i, nfamilies;
	size_t n = 0;

	*known = false;
	nfamilies = verdict_families(g->conf->dns.family, families);
	for (i = 0; i < nfamilies; i++)
		n += hosts_answer(g->hosts, target->host, families[i],
		    addrs + n, HOSTS_ADDRS_MAX, known);
	return (n);
}

/* What would be dialled, as far as it is known without asking a name server:
 * one address that is permitted is enough. */
static enum query_result
tell_addresses(const struct generation *g, const struct target *target,
    const struct rule *terms, FILE *out)
{
	const struct addr *addr = verdict_address(terms, target);
	struct addr addrs[VERDICT_FAMILIES_MAX * HOSTS_ADDRS_MAX] = { 0 };
	enum query_result result = QUERY_DENIED;
	bool known;
	size_t i, n;

	if (addr != NULL)
		return (ask_guard(g, terms, addr, out));
	n = find_addresses(g, target, addrs, &known);
	if (!known)
		return (QUERY_ALLOWED);
	for (i = 0; i < n; i++) {
		addrs[i].port = target->port;
		if (ask_guard(g, terms, &addrs[i], out) == QUERY_ALLOWED)
			result = QUERY_ALLOWED;
	}
	if (n == 0)
		fprintf(out,
		    "hosts file: %s has no address of a family that "
		    "dns.family permits\n",
		    target->host);
	return (result);
}

static enum query_result
tell_decision(const struct generation *g, const struct asked *a,
    const struct rule *rule, FILE *out)
{
	struct verdict v = verdict_of(rule, g->conf->default_action);
	char text[TARGET_TEXT_SIZE], by[128];

	target_format(&a->target, text);
	if (rule != NULL)
		snprintf(by, sizeof(by), "rule \"%s\"", rule->name);
	else
		snprintf(by, sizeof(by), "%s", reason_text(REASON_NO_RULE));
	if (v.denied != REASON_NONE) {
		fprintf(out, "%s: deny%s %s\n", text,
		    rule != NULL ? " by" : ":", by);
		return (QUERY_DENIED);
	}
	if (v.would_deny != REASON_NONE)
		fprintf(
		    out, "%s: allow (report): would be denied: %s\n", text, by);
	else
		fprintf(out, "%s: allow by %s\n", text, by);
	if (v.terms->egress_line != NULL)
		fprintf(out, "egress: \"%s\"\n", v.terms->egress_line->name);
	return (tell_addresses(g, &a->target, v.terms, out));
}

/* The first rule before the one that decides that another client would meet,
 * by what kind of clients it has; NULL: there is none. */
static const struct rule *
passed_over(const struct generation *g, const struct asked *a,
    const struct rule *decides, enum rule_client_kind kind)
{
	const struct conf *conf = g->conf;
	const struct rule *r;

	for (r = conf->rules; r < conf->rules + conf->nrules; r++) {
		if (r == decides)
			return (NULL);
		if (explain_names_clients(r, kind) &&
		    explain_names_target(r, &a->target))
			return (r);
	}
	return (NULL);
}

/* What was not given, and could have changed the answer. */
static void
tell_unknown(const struct generation *g, const struct asked *a,
    const struct rule *decides, FILE *out)
{
	const struct rule *r;

	r = passed_over(g, a, decides, RULE_CLIENT_NETWORK);
	if (a->client.family == 0 && r != NULL)
		fprintf(out,
		    "the client's address is unknown: rule \"%s\", for clients "
		    "with certain addresses, is passed over; give one with "
		    "-s\n",
		    r->name);
	r = passed_over(g, a, decides, RULE_CLIENT_IDENTITY);
	if (a->question.nidentities == 0 && r != NULL)
		fprintf(out,
		    "rule \"%s\" is for clients with an identity; give one "
		    "with -s\n",
		    r->name);
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
	if (q->nidentities == 0 &&
	    g->conf->tls.client_auth == CONF_CLIENT_AUTH_REQUIRED)
		fprintf(out, "client: without a certificate it is refused: "
			     "tls.client_auth is \"required\"\n");
	if (query->explain)
		explain_rules(out, q, g->conf->rules, g->conf->nrules, rule);
	tell_unknown(g, a, rule, out);
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
			    "sniport: -s %s: a client has only one address\n",
			    text);
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
