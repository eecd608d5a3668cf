/* Why rules match or not: one line each, up to the one that decides. */
#include "master/explain.h"

#include <stdlib.h>

#include "common/conf/conf.h"
#include "t/unit/tap.h"

static const char text[] =
    "listeners = ( { address = \":1\"; } );\n"
    "tls = { certificates = ( { chain = \"/c\"; key = \"/k\"; } );\n"
    "  client_ca = \"/ca\"; client_auth = \"optional\"; };\n"
    "rules = (\n"
    "  { name = \"name\"; action = \"deny\";\n"
    "    destinations = [ \"a.test:1\", \"a.test:3\" ]; },\n"
    "  { name = \"suffix\"; action = \"allow\";\n"
    "    destinations = [ \"*.test:2\" ]; clients = [ \"10.0.0.0/8\" ]; },\n"
    "  { name = \"identity\"; action = \"allow\";\n"
    "    destinations = [ \"*:2\" ]; clients = [ \"spiffe://c/*\" ]; },\n"
    "  { name = \"both\"; action = \"allow\"; destinations = [ \"*:*\" ];\n"
    "    clients = [ \"192.0.2.1\", \"client.test\" ]; },\n"
    "  { name = \"block\"; action = \"allow\";\n"
    "    destinations = [ \"198.51.100.0/24:2\" ]; } );\n";

static const struct conf *conf;

/* What is said of a target that a client, NULL: unknown, asks for; decides:
 * the position of the rule that does, from 1. */
static char *
explain(const char *target, const char *client, const struct identity *id,
    size_t decides)
{
	struct addr addr = { .family = 0 };
	struct target t;
	const struct policy_question q = { .target = &t,
		.client = &addr,
		.identities = id,
		.nidentities = id != NULL ? 1 : 0,
		.identities_known = true };
	struct policy *policy = NULL;
	const struct rule *rule;
	char *said = NULL;
	size_t len;
	FILE *f = open_memstream(&said, &len);

	if (f == NULL || policy_new(&policy, conf->rules, conf->nrules) != 0 ||
	    target_parse(&t, target, strlen(target), 0) != REASON_NONE)
		abort();
	if (client != NULL && addr_parse_ip(&addr, client, strlen(client)) != 0)
		abort();
	rule = policy_decide(policy, &q).rule;
	is_int(rule != NULL ? rule - conf->rules + 1 : 0, decides,
	    "which rule decides");
	explain_rules(f, &q, conf->rules, conf->nrules, rule);
	fclose(f);
	policy_free(policy);
	return (said);
}

static void
says(char *got, const char *want, const char *what)
{
	is_str(got, want, what);
	free(got);
}

static void
test_lines(void)
{
	const struct identity other = { IDENTITY_DNS, "other.test", 10 };
	const struct identity dns = { IDENTITY_DNS, "Client.test", 11 };

	says(explain("a.test:2", "192.0.2.2", NULL, 0),
	    "rule \"name\": no match: no destination of that host has the "
	    "port\n"
	    "rule \"suffix\": no match: the client's address is not in "
	    "clients\n"
	    "rule \"identity\": no match: clients has identities, and the "
	    "client has none\n"
	    "rule \"both\": no match: the client's address is not in clients, "
	    "and it has no identity\n"
	    "rule \"block\": no match: no destination has the name\n",
	    "a client by its address, and no rule");
	says(explain("b.example:2", NULL, &other, 0),
	    "rule \"name\": no match: no destination has the name\n"
	    "rule \"suffix\": no match: no destination has the name\n"
	    "rule \"identity\": no match: none of the client's identities is "
	    "in "
	    "clients\n"
	    "rule \"both\": no match: none of the client's identities is in "
	    "clients, and its address is unknown\n"
	    "rule \"block\": no match: no destination has the name\n",
	    "a client by its identity, and no rule");
	says(explain("b.example:2", "10.0.0.1", &other, 0),
	    "rule \"name\": no match: no destination has the name\n"
	    "rule \"suffix\": no match: no destination has the name\n"
	    "rule \"identity\": no match: none of the client's identities is "
	    "in clients\n"
	    "rule \"both\": no match: neither the client's address nor any "
	    "of its identities is in clients\n"
	    "rule \"block\": no match: no destination has the name\n",
	    "a client by both, and no rule");
	says(explain("b.example:2", NULL, NULL, 0),
	    "rule \"name\": no match: no destination has the name\n"
	    "rule \"suffix\": no match: no destination has the name\n"
	    "rule \"identity\": no match: clients has identities, and the "
	    "client has none\n"
	    "rule \"both\": no match: the client's address is unknown, and it "
	    "has no identity\n"
	    "rule \"block\": no match: no destination has the name\n",
	    "an unknown client, and no rule");
	says(explain("b.test:2", NULL, &dns, 4),
	    "rule \"name\": no match: no destination has the name\n"
	    "rule \"suffix\": no match: clients has addresses, and the "
	    "client's is unknown\n"
	    "rule \"identity\": no match: none of the client's identities is "
	    "in "
	    "clients\n"
	    "rule \"both\": matches\n",
	    "nothing is said of rules behind the one that decides");
	says(explain("198.51.100.7:2", "10.0.0.1", NULL, 5),
	    "rule \"name\": no match: no destination has the address\n"
	    "rule \"suffix\": no match: no destination has the address\n"
	    "rule \"identity\": no match: no destination has the address\n"
	    "rule \"both\": no match: no destination has the address\n"
	    "rule \"block\": matches\n",
	    "an address is no name");
	says(
	    explain("[64:ff9b::198.51.100.7]:2", "64:ff9b::192.0.2.1", NULL, 5),
	    "rule \"name\": no match: no destination has the address\n"
	    "rule \"suffix\": no match: no destination has the address\n"
	    "rule \"identity\": no match: no destination has the address\n"
	    "rule \"both\": no match: no destination has the address\n"
	    "rule \"block\": matches\n",
	    "an address in NAT64 is what it carries");
	says(explain("a.test:2", "64:ff9b::10.0.0.1", NULL, 2),
	    "rule \"name\": no match: no destination of that host has the "
	    "port\n"
	    "rule \"suffix\": matches\n",
	    "so is a client");
	says(explain("a.test:3", NULL, NULL, 1), "rule \"name\": matches\n",
	    "the second destination of a rule for everybody");
}

int
main(void)
{
	struct conf *c = NULL;
	char *errors = NULL;

	if (!ok(conf_parse(&c, text, "test.conf", &errors) == 0, "parsed")) {
		printf("# %s\n", errors);
		return (done_testing());
	}
	conf = c;
	test_lines();
	ok(!explain_names_clients(&conf->rules[1], RULE_CLIENT_IDENTITY),
	    "addresses alone");
	ok(explain_names_clients(&conf->rules[3], RULE_CLIENT_IDENTITY) &&
		explain_names_clients(&conf->rules[3], RULE_CLIENT_NETWORK),
	    "identities, too");
	conf_free(c);
	return (done_testing());
}
