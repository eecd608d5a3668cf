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

/* 0, -EINVAL, -ENOMEM, or as pause_step(). */
static int
fill(struct conf *c, config_setting_t *root, struct conf_text *text,
    struct conf_errors *errors)
{
	int error;

	error = conf_read(c, root, text, errors);
	if (error == 0)
		error = name_rules(c);
	if (error != 0)
		return (error);
	conf_check(c, root, errors);
	error = conf_check_rules(c, root, errors);
	if (error == 0 && errors->count > 0)
		error = -EINVAL;
	if (error == 0)
		error = conf_place_rules(
		    c, config_setting_get_member(root, "rules"), errors);
	return (error);
}

/* Reads what the parser made of the text. Fails as fill(). */
static int
read_tree(struct conf **conf, config_t *tree, struct conf_text *text,
    struct conf_errors *errors)
{
	struct conf *c = calloc(1, sizeof(*c));
	int error;

	if (c == NULL)
		return (-ENOMEM);
	error = fill(c, config_root_setting(tree), text, errors);
	if (error != 0)
		conf_free(c);
	else
		*conf = c;
	return (error);
}

/*
 * libconfig is given the text as a stream, bit by bit, since it has nothing
 * that could be called meanwhile. What it includes it opens itself.
 */

/* It takes some microseconds to parse. */
#define BIT 512

struct bits {
	const char *at;
	size_t left;
	struct pause *pause;
};

/* Whoever gives up sees the end of the text: for an error, libconfig (1.5 to
 * 1.7) would call exit(3), through flex. */
static ssize_t
read_bit(void *cookie, char *buf, size_t size)
{
	struct bits *b = cookie;
	size_t n = b->left < BIT ? b->left : BIT;

	if (pause_step(b->pause) != 0)
		return (0);
	n = n < size ? n : size;
	memcpy(buf, b->at, n);
	b->at += n;
	b->left -= n;
	return ((ssize_t)n);
}

/* 0, -EINVAL with why in the tree, -ENOMEM, or as pause_step(). */
static int
parse_tree(config_t *tree, const char *text, struct pause *pause)
{
	const cookie_io_functions_t functions = { .read = read_bit };
	struct bits bits = { text, strlen(text), pause };
	FILE *stream = fopencookie(&bits, "r", functions);
	int error, parsed;

	if (stream == NULL)
		return (-ENOMEM);
	parsed = config_read(tree, stream);
	fclose(stream);
	error = pause_step(pause);
	return (error == 0 && parsed == CONFIG_FALSE ? -EINVAL : error);
}

static int
parse(struct conf **conf, const char *text, const char *name,
    struct pause *pause, char **errors)
{
	struct conf_errors e;
	struct conf_text t;
	config_t tree;
	bool parsed;
	int r;

	*errors = NULL;
	r = conf_errors_init(&e, name, pause);
	if (r != 0)
		return (r);
	config_init(&tree);
	config_set_include_dir(&tree, e.dir);
	r = conf_text_check(&t, &e, text);
	if (r != 0)
		goto out;
	r = parse_tree(&tree, text, pause);
	if (r == 0)
		r = read_tree(conf, &tree, &t, &e);
	else if (r == -EINVAL)
		conf_text_refused(&t, &e, &tree);
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

int
conf_parse(
    struct conf **conf, const char *text, const char *name, char **errors)
{
	return (parse(conf, text, name, NULL, errors));
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
conf_load(
    struct conf **conf, const char *file, struct pause *pause, char **errors)
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
		r = parse(conf, text, file, pause, errors);
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

	r = conf_errors_init(&e, file, NULL);
	if (r != 0)
		return (r);
	config_init(&tree);
	config_set_include_dir(&tree, e.dir);
	r = conf_text_check(&t, &e, text);
	if (r == 0)
		r = parse_tree(&tree, text, NULL);
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
