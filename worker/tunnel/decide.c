/* Which target a client wants, and whether it may go there. */
#include <errno.h>
#include <stdlib.h>

#include "common/policy/policy.h"
#include "common/policy/verdict.h"
#include "common/shm/stats.h"
#include "worker/tunnel/limits.h"
#include "worker/tunnel/state.h"

/* Sets t->target from the server name, or the listener's default. */
static enum reason
find_target(
    struct tunnel *t, const uint8_t *name, size_t len, enum reason parsed)
{
	const struct conf_listener *l = t->listener;

	t->target = malloc(sizeof(*t->target));
	if (t->target == NULL)
		return (REASON_NO_MEMORY);
	if (parsed == REASON_NONE) {
		parsed = target_parse(t->target, name, len, l->default_port);
	} else if (parsed == REASON_SNI_MISSING && l->has_default_destination) {
		*t->target = l->default_destination;
		parsed = REASON_NONE;
	}
	if (parsed != REASON_NONE) {
		free(t->target);
		t->target = NULL;
		return (parsed);
	}
	t->facts->port = t->target->port;
	if (tunnel_put(t, FACTS_HOST, t->target->host, t->target->host_len) !=
	    0)
		return (REASON_NO_MEMORY);
	return (REASON_NONE);
}

/* A limit costs the client no cryptography either. */
static enum reason
allow(struct tunnel *t, const struct verdict *v)
{
	enum reason reason = limits_rule(&t->all->limits, &t->held, v->terms);
	const struct conf_egress *egress = v->terms->egress_line;
	struct tunnel_facts *f = t->facts;

	t->terms = v->terms;
	if (egress != NULL)
		f->egress_line =
		    (uint32_t)(egress - t->all->boot->conf->egress);
	f->would_deny = v->would_deny;
	f->decision = v->would_deny == REASON_NONE ? FACTS_ALLOW : FACTS_REPORT;
	if (v->would_deny != REASON_NONE)
		stats_add(&t->all->slot->count[STAT_REPORTED], 1);
	return (reason);
}

static struct verdict
verdict(const struct tunnel *t, const struct rule *rule)
{
	return (verdict_of(rule, t->all->boot->conf->default_action));
}

static void
count_decision(const struct tunnel *t)
{
	const struct boot *boot = t->all->boot;
	const struct tunnel_facts *f = t->facts;

	rules_decided(boot->shm, rules_mine(boot->shm, boot->rules, f->rule),
	    f->decision, f->wall + (tunnel_now(t) - f->accepted));
}

/* Sets the decision. REASON_NONE where the tunnel may be. */
static enum reason
settle(struct tunnel *t, const struct rule *rule)
{
	struct verdict v = verdict(t, rule);
	enum reason reason = v.denied;

	if (rule != NULL)
		t->facts->rule = (uint32_t)(rule - t->all->boot->conf->rules);
	t->undecided = false;
	t->facts->decision = FACTS_DENY;
	if (reason == REASON_NONE)
		reason = allow(t, &v);
	count_decision(t);
	return (reason);
}

/*
 * Until a client that must show who it is has done so, it may be refused, but
 * takes no rule's place, and nothing is looked up or dialled for it.
 */
static bool
must_wait(const struct tunnel *t, const struct policy_answer *answer)
{
	return (
	    answer->wait ||
	    (t->all->boot->conf->tls.client_auth == CONF_CLIENT_AUTH_REQUIRED &&
		verdict(t, answer->rule).denied == REASON_NONE));
}

/* Of several, the one by which a rule is chosen is who the client is. */
static enum reason
keep_identity(struct tunnel *t, const struct identity *id)
{
	return (tunnel_put(t, FACTS_IDENTITY, id->text, id->len) == 0
		    ? REASON_NONE
		    : REASON_NO_MEMORY);
}

static enum reason
decide(struct tunnel *t, const struct identity *names, size_t n, bool known)
{
	struct policy_question question = {
		.target = t->target,
		.client = &t->facts->client,
		.identities = names,
		.nidentities = n,
		.identities_known = known,
	};
	struct policy_answer answer =
	    policy_decide(t->all->boot->policy, &question);
	enum reason reason = REASON_NONE;

	t->undecided = !known && must_wait(t, &answer);
	if (t->undecided)
		return (REASON_NONE);
	if (n > 0)
		reason = keep_identity(
		    t, answer.identity != NULL ? answer.identity : names);
	return (reason != REASON_NONE ? reason : settle(t, answer.rule));
}

bool
tunnel_asks_identity(const struct tunnel *t)
{
	return (t->all->boot->conf->tls.client_auth != CONF_CLIENT_AUTH_NONE);
}

enum reason
tunnel_decide_identity(struct tunnel *t, const struct identity *names, size_t n)
{
	if (t->undecided)
		return (decide(t, names, n, true));
	return (n > 0 ? keep_identity(t, names) : REASON_NONE);
}

enum reason
tunnel_decide(
    struct tunnel *t, const uint8_t *name, size_t len, enum reason reason)
{
	if (reason == REASON_NONE &&
	    tunnel_put(t, FACTS_SERVER_NAME, name, len) != 0)
		reason = REASON_NO_MEMORY;
	if (reason == REASON_NONE || reason == REASON_SNI_MISSING)
		reason = find_target(t, name, len, reason);
	if (reason == REASON_NONE)
		reason = decide(t, NULL, 0, !tunnel_asks_identity(t));
	return (reason);
}
