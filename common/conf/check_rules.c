/*
 * The checks of rules: unique names, egress lines that exist, and settings that
 * go with the rule's action.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "common/conf/check.h"
#include "common/conf/table.h"

/*
 * Names that must be unique
 */

struct name {
	const char *text;
	size_t at; /* from 0 */
};

static int
compare_names(const void *a, const void *b)
{
	const struct name *x = a, *y = b;
	int order = strcmp(x->text, y->text);

	return (order != 0 ? order : x->at < y->at ? -1 : x->at > y->at);
}

/* Reports those of n names of the groups in list that were given before. */
static void
check_unique(struct name *names, size_t n, config_setting_t *list,
    const char *what, struct conf_errors *errors)
{
	config_setting_t *group, *name;
	char path[CONF_PATH_SIZE];
	size_t i;

	snprintf(path, sizeof(path), "%s.name", config_setting_name(list));
	qsort(names, n, sizeof(names[0]), compare_names);
	for (i = 1; i < n; i++) {
		if (strcmp(names[i - 1].text, names[i].text) != 0)
			continue;
		group = config_setting_get_elem(list, names[i].at);
		name = conf_member(group, "name");
		conf_error_at(errors, name != NULL ? name : group, path,
		    "\"%s\" is also the name of %s %zu; write another",
		    names[i].text, what, names[i - 1].at + 1);
	}
}

static int
check_names(
    const struct conf *conf, config_setting_t *root, struct conf_errors *errors)
{
	struct name *names;
	size_t i, n;

	names = calloc(conf->nrules + conf->negress + 1, sizeof(*names));
	if (names == NULL)
		return (-ENOMEM);
	for (i = n = 0; i < conf->nrules; i++)
		if (conf->rules[i].name != NULL)
			names[n++] = (struct name){ conf->rules[i].name, i };
	if (n > 1)
		check_unique(
		    names, n, conf_member(root, "rules"), "rule", errors);
	for (i = n = 0; i < conf->negress; i++)
		if (conf->egress[i].name != NULL)
			names[n++] = (struct name){ conf->egress[i].name, i };
	if (n > 1)
		check_unique(names, n, conf_member(root, "egress"),
		    "egress line", errors);
	free(names);
	return (0);
}

/*
 * Rules
 */

/* Is its value the default, as in what sniport -T prints? */
static bool
has_default(const struct rule *rule, const struct conf_directive *d)
{
	char buf[CONF_TEXT_SIZE];
	const char *text;

	if (d->shape != CONF_ONE || d->initial == CONF_ABSENT)
		return (false);
	text = conf_kind(d)->format((const char *)rule + d->offset, d, buf);
	return (text != NULL && strcmp(text, d->initial) == 0);
}

static void
check_action(const struct rule *rule, config_setting_t *group,
    struct conf_errors *errors)
{
	config_setting_t *action = conf_member(group, "action"), *setting;
	const struct conf_directive *d = NULL;
	char path[CONF_PATH_SIZE];

	if (action == NULL || !conf_error_free(action) ||
	    rule->action != RULE_DENY)
		return;
	while ((d = conf_next(CONF_SECTION_rules, d)) != NULL) {
		setting =
		    conf_is_allow_only(d) ? conf_member(group, d->name) : NULL;
		if (setting == NULL || has_default(rule, d))
			continue;
		conf_path(d, path);
		conf_error_at(errors, setting, path,
		    "means nothing where action is \"deny\"; leave it out, or "
		    "write action = \"allow\"");
	}
}

/* The guard permits what the operator named as connect_to, and no other address
 * is dialled. */
static void
check_networks(const struct rule *rule, config_setting_t *group,
    struct conf_errors *errors)
{
	config_setting_t *networks = conf_member(group, "networks");

	if (networks == NULL || !conf_error_free(networks) ||
	    rule->action == RULE_DENY || rule->connect_to.family == 0)
		return;
	conf_error_at(errors, networks, "rules.networks",
	    "means nothing beside connect_to, whose address may be dialled "
	    "anyway; leave out one of them");
}

/* Of that name, or NULL with *nearest set to one spelled almost so, or NULL. */
static const struct conf_egress *
find_egress(const struct conf *conf, const char *name, const char **nearest)
{
	const struct conf_egress *egress;
	unsigned d, least = UINT_MAX;

	*nearest = NULL;
	for (egress = conf->egress; egress < conf->egress + conf->negress;
	     egress++) {
		if (egress->name == NULL)
			continue;
		d = conf_misspelled(name, egress->name);
		if (strcmp(egress->name, name) == 0)
			return (egress);
		if (d < least) {
			least = d;
			*nearest = egress->name;
		}
	}
	return (NULL);
}

static void
check_egress(const struct conf *conf, struct rule *rule,
    config_setting_t *group, struct conf_errors *errors)
{
	config_setting_t *setting = conf_member(group, "egress");
	const char *nearest;

	if (rule->egress == NULL || !conf_error_free(setting))
		return;
	rule->egress_line = find_egress(conf, rule->egress, &nearest);
	if (rule->egress_line != NULL)
		return;
	if (nearest != NULL)
		conf_error_at(errors, setting, "rules.egress",
		    "\"%s\" is not the name of an egress line; did you mean "
		    "\"%s\"?",
		    rule->egress, nearest);
	else
		conf_error_at(errors, setting, "rules.egress",
		    "\"%s\" is not the name of an egress line; write one of "
		    "those "
		    "in egress, or leave it out",
		    rule->egress);
}

/* Could the lines that could not be read be what a rule names? */
static bool
egress_known(const struct conf *conf, config_setting_t *root)
{
	size_t i;

	for (i = 0; i < conf->negress; i++)
		if (conf->egress[i].name == NULL)
			return (false);
	return (conf_error_free(conf_member(root, "egress")));
}

/* The first client that can never be one; NULL: there is none. */
static config_setting_t *
find_identity(const struct conf *conf, config_setting_t *rules)
{
	config_setting_t *clients;
	const struct rule *r;
	size_t i, j;

	for (i = 0; i < conf->nrules; i++) {
		r = &conf->rules[i];
		clients =
		    conf_member(config_setting_get_elem(rules, i), "clients");
		for (j = 0; j < r->nclients; j++)
			if (r->clients[j].kind == RULE_CLIENT_IDENTITY)
				return (config_setting_get_elem(clients, j));
	}
	return (NULL);
}

/* Said once, since one setting mends it for all rules. */
static void
check_client_auth(
    const struct conf *conf, config_setting_t *root, struct conf_errors *errors)
{
	config_setting_t *tls = conf_member(root, "tls"), *identity;
	const char *text;

	if (conf->tls.client_auth != CONF_CLIENT_AUTH_NONE ||
	    !conf_error_free(conf_member(tls, "client_auth")))
		return;
	identity = find_identity(conf, conf_member(root, "rules"));
	if (identity == NULL || !conf_error_free(identity))
		return;
	text = config_setting_get_string(identity);
	if (rule_says_everybody(text, strlen(text)))
		conf_error_at(errors, identity, "rules.clients",
		    "\"%s\" is a DNS name that a client's certificate must "
		    "have; for every client, leave clients out",
		    text);
	else
		conf_error_at(errors, identity, "rules.clients",
		    "\"%.100s\" needs a client's certificate, but "
		    "tls.client_auth is \"none\"; write tls.client_auth = "
		    "\"optional\" or \"required\"",
		    text);
}

int
conf_check_rules(
    struct conf *conf, config_setting_t *root, struct conf_errors *errors)
{
	config_setting_t *rules = conf_member(root, "rules"), *group;
	bool known = egress_known(conf, root);
	size_t i;
	int error;

	for (i = 0; i < conf->nrules; i++) {
		error = pause_step(errors->pause);
		if (error != 0)
			return (error);
		group = config_setting_get_elem(rules, i);
		check_action(&conf->rules[i], group, errors);
		check_networks(&conf->rules[i], group, errors);
		if (known)
			check_egress(conf, &conf->rules[i], group, errors);
	}
	check_client_auth(conf, root, errors);
	return (check_names(conf, root, errors));
}
