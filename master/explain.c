/* Says in words, for sniport -q, why each rule matches or does not. */
#include "master/explain.h"

#include <string.h>

static bool
host_matches(const struct rule_destination *d, const struct target *t)
{
	size_t len = t->host_len, n = d->name_len;

	if (d->kind == RULE_DESTINATION_NETWORK)
		return (
		    t->addr.family != 0 && cidr_names(&d->network, &t->addr));
	if (t->addr.family != 0)
		return (false);
	switch (d->kind) {
	case RULE_DESTINATION_NAME:
		return (len == n && memcmp(t->host, d->name, n) == 0);
	case RULE_DESTINATION_SUFFIX:
		return (len > n + 1 && t->host[len - n - 1] == '.' &&
			memcmp(t->host + len - n, d->name, n) == 0);
	default:
		return (true);
	}
}

enum match {
	MATCH_NO_HOST,
	MATCH_NO_PORT,
	MATCH_YES
};

/* The best of the rule's destinations. */
static enum match
match_target(const struct rule *r, const struct target *t)
{
	enum match best = MATCH_NO_HOST;
	const struct rule_destination *d;

	for (d = r->destinations; d < r->destinations + r->ndestinations; d++) {
		if (!host_matches(d, t))
			continue;
		if (t->port >= d->port_low && t->port <= d->port_high)
			return (MATCH_YES);
		best = MATCH_NO_PORT;
	}
	return (best);
}

bool
explain_names_target(const struct rule *r, const struct target *t)
{
	return (match_target(r, t) == MATCH_YES);
}

bool
explain_names_clients(const struct rule *r, enum rule_client_kind kind)
{
	size_t i;

	for (i = 0; i < r->nclients; i++)
		if (r->clients[i].kind == kind)
			return (true);
	return (false);
}

static bool
client_matches(const struct rule_client *c, const struct policy_question *q)
{
	size_t i;

	if (c->kind == RULE_CLIENT_NETWORK)
		return (cidr_names(&c->network, q->client));
	for (i = 0; i < q->nidentities; i++)
		if (identity_match(c->identity, &q->identities[i]))
			return (true);
	return (false);
}

/* The rule has clients, of which none is this one. */
static const char *
why_not_client(const struct rule *r, const struct policy_question *q)
{
	bool address = q->client->family != 0, identity = q->nidentities > 0;

	if (!explain_names_clients(r, RULE_CLIENT_IDENTITY))
		return (address ? "the client's address is not in clients"
				: "clients has addresses, and the client's is "
				  "unknown");
	if (!explain_names_clients(r, RULE_CLIENT_NETWORK))
		return (identity
			    ? "none of the client's identities is in clients"
			    : "clients has identities, and the client has "
			      "none");
	if (!address)
		return (identity
			    ? "none of the client's identities is in clients, "
			      "and its address is unknown"
			    : "the client's address is unknown, and it has no "
			      "identity");
	return (identity ? "neither the client's address nor any of its "
			   "identities is in clients"
			 : "the client's address is not in clients, and it "
			   "has no identity");
}

/* NULL: the rule matches. */
static const char *
why_not(const struct rule *r, const struct policy_question *q)
{
	enum match match = match_target(r, q->target);
	size_t i;

	if (match == MATCH_NO_HOST)
		return (q->target->addr.family != 0
			    ? "no destination has the address"
			    : "no destination has the name");
	if (match == MATCH_NO_PORT)
		return ("no destination of that host has the port");
	for (i = 0; i < r->nclients; i++)
		if (client_matches(&r->clients[i], q))
			return (NULL);
	return (r->nclients > 0 ? why_not_client(r, q) : NULL);
}

void
explain_rules(FILE *out, const struct policy_question *q,
    const struct rule *rules, size_t n, const struct rule *decides)
{
	const struct rule *r;
	const char *why;

	for (r = rules; r < rules + n; r++) {
		why = why_not(r, q);
		fprintf(out, "rule \"%s\": %s%s\n", r->name,
		    why == NULL ? "matches" : "no match: ",
		    why == NULL ? "" : why);
		if (r == decides)
			return;
	}
}
