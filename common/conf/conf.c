/*
 * Loads a configuration: syntax, tree, table, checks, in this order; and frees
 * it.
 */
#include "common/conf/conf.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/fd.h"
#include "common/conf/check.h"
#include "common/conf/error.h"
#include "common/conf/place.h"
#include "common/conf/read.h"
#include "common/conf/table.h"
#include "common/conf/text.h"

_Static_assert(offsetof(struct rule, name) == 0 &&
		   offsetof(struct conf_egress, name) == 0 &&
		   offsetof(struct conf_listener, address) == 0,
    "rows that begin with their names");

/* An operator who writes more means another file. */
#define FILE_MAX (1024 * 1024 * 1024)

static int
name_rules(struct conf *conf)
{
	size_t i;

	for (i = 0; i < conf->nrules; i++)
		if (conf->rules[i].name == NULL &&
		    asprintf(&conf->rules[i].name, "rule-%zu", i + 1) == -1) {
			conf->rules[i].name = NULL;
			return (-ENOMEM);
		}
	return (0);
}

/* Reads what the parser made of the text. 0, -EINVAL or -ENOMEM. */
static int
read_tree(struct conf **conf, config_t *tree, struct conf_text *text,
    struct conf_errors *errors)
{
	config_setting_t *root = config_root_setting(tree);
	struct conf *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return (-ENOMEM);
	if (conf_read(c, root, text, errors) != 0 || name_rules(c) != 0) {
		conf_free(c);
		return (-ENOMEM);
	}
	conf_check(c, root, errors);
	if (conf_check_rules(c, root, errors) != 0) {
		conf_free(c);
		return (-ENOMEM);
	}
	if (errors->count == 0 &&
	    conf_place_rules(
		c, config_setting_get_member(root, "rules"), errors) != 0) {
		conf_free(c);
		return (-ENOMEM);
	}
	if (errors->count > 0) {
		conf_free(c);
		return (-EINVAL);
	}
	*conf = c;
	return (0);
}

int
conf_parse(
    struct conf **conf, const char *text, const char *name, char **errors)
{
	struct conf_errors e;
	struct conf_text t;
	config_t tree;
	bool parsed;
	int r;

	*errors = NULL;
	r = conf_errors_init(&e, name);
	if (r != 0)
		return (r);
	config_init(&tree);
	config_set_include_dir(&tree, e.dir);
	r = conf_text_check(&t, &e, text);
	if (r != 0)
		goto out;
	if (config_read_string(&tree, text)) {
		r = read_tree(conf, &tree, &t, &e);
	} else {
		conf_text_refused(&t, &e, &tree);
		r = -EINVAL;
	}
out:
	config_destroy(&tree);
	conf_text_fini(&t);
	parsed = r == 0;
	r = conf_errors_fini(&e, r, errors);
	if (parsed && r != 0) {
		conf_free(*conf);
		*conf = NULL;
	}
	return (r);
}

/* An error of the file as a whole. Returns -EINVAL or -ENOMEM. */
static int
file_error(const char *file, const char *what, const char *why, char **errors)
{
	if (asprintf(errors, "%s: %s%s\n", file, what, why) == -1) {
		*errors = NULL;
		return (-ENOMEM);
	}
	return (-EINVAL);
}

int
conf_load(struct conf **conf, const char *file, char **errors)
{
	size_t len;
	char *text;
	int r;

	*errors = NULL;
	r = fd_slurp(file, FILE_MAX, &text, &len);
	if (r == -ENOMEM)
		return (r);
	if (r != 0)
		return (file_error(
		    file, "cannot be read: ", fd_slurp_text(r), errors));
	if (strlen(text) != len)
		r = file_error(file, "contains a NUL byte; ",
		    "save it as plain text, in UTF-8", errors);
	else
		r = conf_parse(conf, text, file, errors);
	free(text);
	return (r);
}

static int
peek(const char *file, const char *text, const char *setting, char **value)
{
	struct conf_errors e;
	struct conf_text t;
	config_t tree;
	const char *s;
	char *errors = NULL;
	int r;

	r = conf_errors_init(&e, file);
	if (r != 0)
		return (r);
	config_init(&tree);
	config_set_include_dir(&tree, e.dir);
	r = conf_text_check(&t, &e, text);
	if (r == 0 && !config_read_string(&tree, text))
		r = -EINVAL;
	if (r == 0 && config_lookup_string(&tree, setting, &s)) {
		*value = strdup(s);
		r = *value != NULL ? 0 : -ENOMEM;
	}
	config_destroy(&tree);
	conf_text_fini(&t);
	r = conf_errors_fini(&e, r, &errors);
	free(errors);
	if (r == 0)
		return (0);
	free(*value);
	*value = NULL;
	return (r);
}

int
conf_peek(const char *file, const char *setting, char **value)
{
	size_t len;
	char *text;
	int r;

	*value = NULL;
	r = fd_slurp(file, FILE_MAX, &text, &len);
	if (r != 0)
		return (r == -ENOMEM ? r : -EINVAL);
	r = strlen(text) == len ? peek(file, text, setting, value) : -EINVAL;
	free(text);
	return (r);
}

static void free_section(enum conf_section_id, char *base);

static void
free_setting(const struct conf_directive *d, char *base)
{
	struct conf_elements e;
	void (*fini)(void *field);
	size_t i;

	switch (d->shape) {
	case CONF_ONE:
		fini = conf_kind(d)->fini;
		if (fini != NULL)
			fini(base + d->offset);
		return;
	case CONF_GROUP:
		free_section(d->inner, base + d->offset);
		return;
	case CONF_LIST:
		e = conf_elements(d, base);
		fini = conf_kind(d)->fini;
		for (i = 0; fini != NULL && i < e.n; i++)
			fini(e.at + i * d->size);
		free(e.at);
		return;
	case CONF_GROUPS:
		e = conf_elements(d, base);
		for (i = 0; i < e.n; i++)
			free_section(d->inner, e.at + i * d->size);
		free(e.at);
		return;
	}
}

static void
free_section(enum conf_section_id section, char *base)
{
	const struct conf_directive *d = NULL;

	while ((d = conf_next(section, d)) != NULL)
		free_setting(d, base);
}

void
conf_free(struct conf *conf)
{
	if (conf == NULL)
		return;
	free_section(CONF_SECTION_top, (char *)conf);
	conf_places_free(conf->places);
	free(conf);
}

void
conf_drop_destinations(struct conf *conf)
{
	struct rule *r;

	for (r = conf->rules; r < conf->rules + conf->nrules; r++) {
		free(r->destinations);
		r->destinations = NULL;
		r->ndestinations = 0;
	}
	conf_places_drop_rules(conf->places);
}

void
conf_names(const struct conf *conf, struct facts_names *names)
{
	names->rules = (struct facts_table){ conf->rules, conf->nrules,
		sizeof(*conf->rules) };
	names->egress_lines = (struct facts_table){ conf->egress, conf->negress,
		sizeof(*conf->egress) };
	names->listeners = (struct facts_table){ conf->listeners,
		conf->nlisteners, sizeof(*conf->listeners) };
}
