/* Writes down what has to be known of a configuration without having it. */
#include "master/terms.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/conf/conf.h"
#include "master/listener.h"

_Static_assert(
    TERMS_LISTENERS_MAX == CONF_LISTENERS_MAX, "every listener has room");

static size_t
name_size(const char *name)
{
	return (name != NULL ? strlen(name) + 1 : 1);
}

static char *
put_name(char *at, const char *name)
{
	size_t size = name_size(name);

	memcpy(at, name != NULL ? name : "", size);
	return (at + size);
}

static size_t
names_size(const struct conf *conf)
{
	size_t i, size = 0;

	for (i = 0; i < conf->nrules; i++)
		size += name_size(conf->rules[i].name);
	for (i = 0; i < conf->negress; i++)
		size += name_size(conf->egress[i].name);
	return (size);
}

struct terms *
terms_new(const struct conf *conf)
{
	size_t i, size = sizeof(struct terms) + names_size(conf);
	struct terms *t = calloc(1, size);
	char *at;

	if (t == NULL)
		return (NULL);
	*t = (struct terms){
		.size = size,
		.grace = conf->timeouts.grace,
		.drain = conf->timeouts.drain,
		.retire = conf->timeouts.retire,
		.lost = conf->timeouts.lost,
		.watchdog = conf->timeouts.watchdog,
		.generations = conf->limits.generations,
		.tunnels = conf->limits.tunnels,
		.memory = conf->limits.memory,
		.format = conf->log.format,
		.silent_connections = conf->log.silent_connections,
		.nrules = conf->nrules,
		.negress = conf->negress,
		.nlisteners = conf->nlisteners,
	};
	for (i = 0; i < conf->nlisteners; i++)
		listener_place(&t->listeners[i], &conf->listeners[i]);
	at = t->names;
	for (i = 0; i < conf->nrules; i++)
		at = put_name(at, conf->rules[i].name);
	for (i = 0; i < conf->negress; i++)
		at = put_name(at, conf->egress[i].name);
	return (t);
}

/* Points n rows to the names from there on. */
static const char *
list(const char **rows, size_t n, const char *at)
{
	size_t i;

	for (i = 0; i < n; i++) {
		rows[i] = *at != '\0' ? at : NULL;
		at += strlen(at) + 1;
	}
	return (at);
}

int
terms_names_init(struct terms_names *names, const struct terms *t)
{
	const char **rules, **egress, **listeners, *at;
	size_t i;

	rules =
	    calloc(t->nrules + t->negress + t->nlisteners + 1, sizeof(*rules));
	if (rules == NULL)
		return (-ENOMEM);
	egress = rules + t->nrules;
	listeners = egress + t->negress;
	at = list(rules, t->nrules, t->names);
	(void)list(egress, t->negress, at);
	for (i = 0; i < t->nlisteners; i++)
		listeners[i] = t->listeners[i].name;
	*names = (struct terms_names){
		.names = {
			.rules = { rules, t->nrules, sizeof(*rules) },
			.egress_lines = { egress, t->negress, sizeof(*rules) },
			.listeners = { listeners, t->nlisteners,
			    sizeof(*rules) },
		},
		.rows = rules,
	};
	return (0);
}

void
terms_names_fini(struct terms_names *names)
{
	free(names->rows);
	names->rows = NULL;
}
