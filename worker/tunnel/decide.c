#include <errno.h>
#include <stdlib.h>

#include "common/base/clock.h"
#include "common/policy/policy.h"
#include "common/policy/verdict.h"
#include "common/shm/stats.h"
#include "worker/tunnel/limits.h"
#include "worker/tunnel/state.h"

/* Sets t->target from the server name, or the listener's default. */
static enum reason
find_target(struct tunnel *t, enum reason parsed)
{
	const struct conf_listener *l = t->listener;
	const uint8_t *name;
	size_t len;

	t->target = malloc(sizeof(*t->target));
	if (t->target == NULL)
		return (REASON_NO_MEMORY);
	if (parsed == REASON_NONE) {
		name = tls_server_name(t->client.tls, &len);
		parsed = target_parse(t->target, name, len, l->default_port);
	} else if (parsed == REASON_SNI_MISSING && l->has_default_destination) {
		*t->target = l->default_destination;
		parsed = REASON_NONE;
	}
	if (parsed != REASON_NONE) {
		free(t->target);
		t->target = NULL;
	}
	return (parsed);
}

/* A limit costs the client no cryptography either. */
static enum reason
allow(struct tunnel *t, const struct verdict *v)
{
	enum reason reason = limits_rule(&t->all->limits, v->terms);

	t->terms = v->terms;
	t->would_deny = v->would_deny;
	t->decision = t->would_deny == REASON_NONE ? "allow" : "report";
	t->counted_rule = reason == REASON_NONE;
	if (t->would_deny != REASON_NONE)
		stats_add(&t->all->slot->count[STAT_REPORTED], 1);
	return (reason);
}

static struct verdict
verdict(const struct tunnel *t, const struct rule *rule)
{
	return (verdict_of(rule, t->all->boot->conf->default_action));
}

/* Sets the decision. REASON_NONE where the tunnel may be. */
static enum reason
settle(struct tunnel *t, const struct rule *rule)
{
	struct verdict v = verdict(t, rule);

	t->rule = rule;
	t->undecided = false;
	t->decision = "deny";
	return (v.denied != REASON_NONE ? v.denied : allow(t, &v));
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

static enum reason
decide(struct tunnel *t, const struct identity *names, size_t n, bool known)
{
	struct policy_question question = {
		.target = t->target,
		.client = &t->client_addr,
		.identities = names,
		.nidentities = n,
		.identities_known = known,
	};
	struct policy_answer answer =
	    policy_decide(t->all->boot->policy, &question);

	if (answer.identity != NULL)
		t->identity = answer.identity->text;
	t->undecided = !known && must_wait(t, &answer);
	return (t->undecided ? REASON_NONE : settle(t, answer.rule));
}

static bool
asks_for_certificates(const struct tunnel *t)
{
	return (t->all->boot->conf->tls.client_auth != CONF_CLIENT_AUTH_NONE);
}

enum reason
tunnel_decide_identity(struct tunnel *t)
{
	const struct identity *names;
	size_t n;
	int error;

	if (!asks_for_certificates(t))
		return (REASON_NONE);
	error = tls_identities(t->client.tls, &names, &n);
	if (error != 0)
		return (error == -ENOMEM ? REASON_NO_MEMORY
					 : REASON_CLIENT_CERTIFICATE);
	t->verified = tls_verified(t->client.tls);
	/* The one by which a rule is chosen takes its place. */
	if (n > 0)
		t->identity = names[0].text;
	return (t->undecided ? decide(t, names, n, true) : REASON_NONE);
}

static enum tls_alert
alert_for(enum reason reason)
{
	switch (reason) {
	case REASON_NONE:
		return (TLS_ALERT_NONE);
	case REASON_SNI_MALFORMED:
		return (TLS_ALERT_DECODE_ERROR);
	case REASON_SNI_CHANGED:
		return (TLS_ALERT_ILLEGAL_PARAMETER);
	case REASON_NO_RULE:
	case REASON_RULE_DENY:
	case REASON_LIMIT_RULE:
		return (TLS_ALERT_ACCESS_DENIED);
	case REASON_NO_MEMORY:
		return (TLS_ALERT_INTERNAL_ERROR);
	default:
		return (TLS_ALERT_UNRECOGNIZED_NAME);
	}
}

enum tls_alert
tunnel_hello_cb(void *arg, enum reason reason)
{
	struct tunnel *t = arg;

	t->hello = clock_now() - t->accepted;
	if (reason == REASON_NONE || reason == REASON_SNI_MISSING)
		reason = find_target(t, reason);
	if (reason == REASON_NONE)
		reason = decide(t, NULL, 0, !asks_for_certificates(t));
	t->reason = reason;
	return (alert_for(reason));
}
