/*
 * Looks for rules that can never decide. The policy itself is asked about an
 * example of what a rule names, one that nobody else would name by chance: it
 * nearly always answers with the rule itself, or with one that takes it all.
 */
#include "common/policy/shadow.h"

#include <string.h>

#include "common/base/piece.h"
#include "common/net/addr_range.h"

/* In the place of a wildcard in an example. */
#define NOBODY "0-nobody-0"

/* What asking the policy costs, in comparisons of destinations. */
#define QUESTION_WORK 16

struct shadow {
	const struct policy *policy;
	const struct rule *rules;
	size_t rule; /* the index of the one that is looked at */
	size_t *work;
	const struct rule *by; /* what has covered all until now */
	bool several;
};

/* One destination of the rule, one of its clients; NULL: any. */
struct part {
	const struct rule_destination *destination;
	const struct rule_client *client;
};

static bool
spend(struct shadow *s, size_t work)
{
	if (*s->work < work) {
		*s->work = 0;
		return (false);
	}
	*s->work -= work;
	return (true);
}

/*
 * Does one cover the other?
 */

static bool
block_covers(const struct cidr *a, const struct cidr *b)
{
	struct addr first = { .family = b->family };
	unsigned bits = b->bits;

	memcpy(first.ip, b->ip, sizeof(first.ip));
	if (a->bits <= bits && cidr_contains(a, &first))
		return (true);
	if (b->family != AF_INET6 || bits < 96)
		return (false);
	/* A block of NAT64 is named by what it carries, too. */
	addr_unwrap(&first);
	return (first.family == AF_INET && a->bits <= bits - 96 &&
		cidr_contains(a, &first));
}

static bool
is_below(const struct rule_destination *suffix, const char *name, size_t len)
{
	size_t n = suffix->name_len;

	return (len > n + 1 && name[len - n - 1] == '.' &&
		memcmp(name + len - n, suffix->name, n) == 0);
}

static bool
same_name(const struct rule_destination *a, const struct rule_destination *b)
{
	return (a->name_len == b->name_len &&
		memcmp(a->name, b->name, a->name_len) == 0);
}

static bool
host_covers(const struct rule_destination *a, const struct rule_destination *b)
{
	if (a->kind == RULE_DESTINATION_NETWORK ||
	    b->kind == RULE_DESTINATION_NETWORK)
		return (a->kind == b->kind &&
			block_covers(&a->network, &b->network));
	switch (a->kind) {
	case RULE_DESTINATION_ANY:
		return (true);
	case RULE_DESTINATION_SUFFIX:
		return (b->kind != RULE_DESTINATION_ANY &&
			(is_below(a, b->name, b->name_len) ||
			    (b->kind == a->kind && same_name(a, b))));
	default:
		return (b->kind == a->kind && same_name(a, b));
	}
}

/* Takes what stands before the next '/', and that. */
static struct piece
cut_segment(struct piece *rest)
{
	const char *slash = memchr(rest->s, '/', rest->len);
	struct piece x;

	if (slash == NULL)
		return (piece_cut(rest, rest->len));
	x = piece_cut(rest, (size_t)(slash - rest->s));
	(void)piece_cut(rest, 1);
	return (x);
}

/* Segment by segment; a last "*" is what is below, whatever it is. */
static bool
spiffe_covers(struct piece a, struct piece b)
{
	struct piece x, y;

	while (a.len > 0 && b.len > 0) {
		x = cut_segment(&a);
		y = cut_segment(&b);
		if (piece_is(x, "*") && a.len == 0)
			return (true);
		/* A last "*" of the other is more than one segment. */
		if (piece_is(y, "*") && b.len == 0)
			return (false);
		if (!piece_is(x, "*") && !piece_equal(x, y))
			return (false);
	}
	return (a.len == 0 && b.len == 0);
}

static bool
pattern_covers(
    const struct identity_pattern *a, const struct identity_pattern *b)
{
	if (a->kind != b->kind)
		return (false);
	if (a->len == b->len && memcmp(a->text, b->text, a->len) == 0)
		return (true);
	if (a->kind == IDENTITY_SPIFFE)
		return (spiffe_covers((struct piece){ a->text, a->len },
		    (struct piece){ b->text, b->len }));
	/* "*.example.com" and what ends in ".example.com" */
	return (a->text[0] == '*' && b->len >= a->len &&
		memcmp(b->text + b->len - (a->len - 1), a->text + 1,
		    a->len - 1) == 0);
}

static bool
client_covers(const struct rule_client *a, const struct rule_client *b)
{
	if (a->kind != b->kind)
		return (false);
	if (a->kind == RULE_CLIENT_IDENTITY)
		return (pattern_covers(a->identity, b->identity));
	return (block_covers(&a->network, &b->network));
}

static bool
rule_covers_client(
    struct shadow *s, const struct rule *r, const struct rule_client *client)
{
	size_t i;

	if (r->nclients == 0 || client == NULL)
		return (r->nclients == 0);
	for (i = 0; i < r->nclients && spend(s, 1); i++)
		if (client_covers(&r->clients[i], client))
			return (true);
	return (false);
}

/* The last port from that one on that the rule takes of the part; 0: none. */
static unsigned
covered_by(
    struct shadow *s, const struct rule *r, const struct part *p, unsigned port)
{
	const struct rule_destination *d;
	size_t i;

	if (!spend(s, 1) || !rule_covers_client(s, r, p->client))
		return (0);
	for (i = 0; i < r->ndestinations && spend(s, 1); i++) {
		d = &r->destinations[i];
		if (d->port_low <= port && port <= d->port_high &&
		    host_covers(d, p->destination))
			return (d->port_high);
	}
	return (0);
}

/*
 * Examples
 */

/* A target that only this destination, and what covers it, is likely to name.
 * False: there is none that is short enough. */
static bool
example_target(
    struct target *t, const struct rule_destination *d, unsigned port)
{
	memset(t, 0, sizeof(*t));
	t->port = (uint16_t)port;
	if (d->kind == RULE_DESTINATION_NETWORK) {
		t->addr = addr_range_of(&d->network).high;
		t->addr.port = t->port;
		return (true);
	}
	if (d->kind != RULE_DESTINATION_NAME) {
		t->host_len = strlen(NOBODY);
		memcpy(t->host, NOBODY, t->host_len);
	}
	if (d->kind == RULE_DESTINATION_SUFFIX)
		t->host[t->host_len++] = '.';
	if (d->kind == RULE_DESTINATION_ANY)
		return (true);
	if ((size_t)t->host_len + d->name_len >= sizeof(t->host))
		return (false);
	memcpy(t->host + t->host_len, d->name, d->name_len);
	t->host_len += d->name_len;
	return (true);
}

/* In buf, which the identity borrows. */
static bool
example_identity(struct identity *id, const struct identity_pattern *p,
    char buf[IDENTITY_SPIFFE_MAX])
{
	struct piece rest = { p->text, p->len };
	size_t len = 0;
	struct piece x;

	while (rest.len > 0) {
		x = piece_cut(&rest, 1);
		if (piece_is(x, "*"))
			x = (struct piece){ NOBODY, strlen(NOBODY) };
		if (len + x.len > IDENTITY_SPIFFE_MAX)
			return (false);
		memcpy(buf + len, x.s, x.len);
		len += x.len;
	}
	*id = (struct identity){ .kind = p->kind, .text = buf, .len = len };
	return (true);
}

/* Which rule decides for an example of the part; NULL: there is no example. */
static const struct rule *
ask(struct shadow *s, const struct part *p, unsigned port)
{
	char text[IDENTITY_SPIFFE_MAX];
	struct addr client = { .family = 0 };
	struct identity identity;
	struct target target;
	struct policy_question q = { .target = &target,
		.client = &client,
		.identities = &identity,
		.identities_known = true };

	if (!spend(s, QUESTION_WORK) ||
	    !example_target(&target, p->destination, port))
		return (NULL);
	if (p->client != NULL && p->client->kind == RULE_CLIENT_NETWORK) {
		client = addr_range_of(&p->client->network).high;
	} else if (p->client != NULL) {
		if (!example_identity(&identity, p->client->identity, text))
			return (NULL);
		q.nidentities = 1;
	}
	return (policy_decide(s->policy, &q).rule);
}

static void
note(struct shadow *s, const struct rule *r)
{
	s->several = s->several || (s->by != NULL && s->by != r);
	s->by = r;
}

/* The last port from that one on that a rule before takes; 0: none. */
static unsigned
covered(struct shadow *s, const struct part *p, unsigned port)
{
	const struct rule *self = &s->rules[s->rule], *r = ask(s, p, port);
	unsigned end;

	if (r == self)
		return (0);
	end = r != NULL && r < self ? covered_by(s, r, p, port) : 0;
	if (end == 0) {
		for (r = s->rules; r<self && * s->work> 0; r++)
			if ((end = covered_by(s, r, p, port)) != 0)
				break;
	}
	if (end != 0)
		note(s, r);
	return (end);
}

static bool
part_covered(struct shadow *s, const struct part *p)
{
	unsigned port = p->destination->port_low, end;

	for (; port <= p->destination->port_high; port = end + 1) {
		end = covered(s, p, port);
		if (end == 0)
			return (false);
	}
	return (true);
}

bool
policy_shadowed(const struct policy *policy, const struct rule *rules, size_t i,
    size_t *work, const struct rule **by)
{
	struct shadow s = { policy, rules, i, work, NULL, false };
	const struct rule *r = &rules[i];
	size_t d, c, nclients = r->nclients > 0 ? r->nclients : 1;
	struct part p;

	for (d = 0; d < r->ndestinations; d++) {
		for (c = 0; c < nclients; c++) {
			p.destination = &r->destinations[d];
			p.client = r->nclients > 0 ? &r->clients[c] : NULL;
			if (!part_covered(&s, &p))
				return (false);
		}
	}
	*by = s.several ? NULL : s.by;
	return (s.by != NULL);
}
