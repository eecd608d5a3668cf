/*
 * Keeps the file and line that each setting stands at, in little memory, so
 * that checks can still name it once libconfig's tree is gone.
 */
#include "common/conf/place.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

/* The name of a file that settings stand in. */
struct file {
	SLIST_ENTRY(file) entry;
	char name[];
};

struct place {
	const void *field;
	const struct conf_directive *directive;
	const char *file; /* NULL: nowhere */
	unsigned line;
};

/* Where a rule begins. */
struct rule_place {
	const char *file;
	unsigned line;
};

struct conf_places {
	SLIST_HEAD(, file) files;
	struct rule_place *rules; /* conf->nrules of them; NULL: not known */
	struct place *list;
	size_t n, room;
};

/* The copy of a name that stays; NULL: no memory. */
static const char *
keep_name(struct conf_places *p, const char *name)
{
	size_t size = strlen(name) + 1;
	struct file *f;

	SLIST_FOREACH(f, &p->files, entry)
	if (strcmp(f->name, name) == 0)
		return (f->name);
	f = malloc(sizeof(*f) + size);
	if (f == NULL)
		return (NULL);
	memcpy(f->name, name, size);
	SLIST_INSERT_HEAD(&p->files, f, entry);
	return (f->name);
}

static int
make_room(struct conf_places *p)
{
	size_t room = p->room > 0 ? p->room * 2 : 128;
	struct place *list;

	if (p->n < p->room)
		return (0);
	list = realloc(p->list, room * sizeof(*list));
	if (list == NULL)
		return (-ENOMEM);
	p->list = list;
	p->room = room;
	return (0);
}

int
conf_place_add(struct conf *conf, const void *field,
    const struct conf_directive *d, const config_setting_t *setting,
    const struct conf_errors *errors)
{
	struct place place = { field, d, NULL, 0 };
	struct conf_places *p = conf->places;
	char name[PATH_MAX];

	if (d->section == CONF_SECTION_rules)
		return (0);
	if (p == NULL) {
		p = conf->places = calloc(1, sizeof(*p));
		if (p == NULL)
			return (-ENOMEM);
		SLIST_INIT(&p->files);
	}
	if (make_room(p) != 0)
		return (-ENOMEM);
	if (setting != NULL) {
		place.file =
		    keep_name(p, conf_error_file(errors, setting, name));
		if (place.file == NULL)
			return (-ENOMEM);
		place.line = config_setting_source_line(setting);
	}
	p->list[p->n++] = place;
	return (0);
}

int
conf_place_rules(struct conf *conf, config_setting_t *rules,
    const struct conf_errors *errors)
{
	struct conf_places *p = conf->places;
	const config_setting_t *rule;
	char name[PATH_MAX];
	size_t i;

	if (p == NULL || conf->nrules == 0)
		return (0);
	p->rules = calloc(conf->nrules, sizeof(*p->rules));
	if (p->rules == NULL)
		return (-ENOMEM);
	for (i = 0; i < conf->nrules; i++) {
		rule = config_setting_get_elem(rules, (unsigned)i);
		p->rules[i].file =
		    keep_name(p, conf_error_file(errors, rule, name));
		if (p->rules[i].file == NULL)
			return (-ENOMEM);
		p->rules[i].line = config_setting_source_line(rule);
	}
	return (0);
}

void
conf_places_drop_rules(struct conf_places *p)
{
	if (p == NULL)
		return;
	free(p->rules);
	p->rules = NULL;
}

void
conf_places_free(struct conf_places *p)
{
	struct file *f;

	if (p == NULL)
		return;
	conf_places_drop_rules(p);
	while ((f = SLIST_FIRST(&p->files)) != NULL) {
		SLIST_REMOVE_HEAD(&p->files, entry);
		free(f);
	}
	free(p->list);
	free(p);
}

bool
conf_is_chosen(const struct conf *conf, const void *field)
{
	const struct conf_places *p = conf->places;
	char buf[CONF_TEXT_SIZE];
	const struct conf_directive *d;
	const char *text;
	size_t i;

	for (i = 0; p != NULL && i < p->n; i++)
		if (p->list[i].field == field)
			break;
	if (p == NULL || i == p->n || p->list[i].file == NULL)
		return (false);
	d = p->list[i].directive;
	if (d->shape != CONF_ONE || d->initial == NULL)
		return (true);
	text = conf_kind(d)->format(field, d, buf);
	return (text == NULL || strcmp(text, d->initial) != 0);
}

/* The index of a rule; SIZE_MAX: the field is not one. */
static size_t
rule_index(const struct conf *conf, const void *field)
{
	const struct rule *r = field;

	if (conf->nrules == 0 || r < conf->rules ||
	    r >= conf->rules + conf->nrules)
		return (SIZE_MAX);
	return ((size_t)(r - conf->rules));
}

const char *
conf_where(
    const struct conf *conf, const void *field, char buf[CONF_WHERE_SIZE])
{
	const struct conf_places *p = conf->places;
	size_t i, rule = rule_index(conf, field);
	char path[CONF_PATH_SIZE];
	const struct place *place;

	if (rule != SIZE_MAX) {
		if (p == NULL || p->rules == NULL)
			return ("rules");
		snprintf(buf, CONF_WHERE_SIZE, "%s:%u: rules",
		    p->rules[rule].file, p->rules[rule].line);
		return (buf);
	}
	for (i = 0; p != NULL && i < p->n; i++) {
		place = &p->list[i];
		if (place->field != field)
			continue;
		conf_path(place->directive, path);
		if (place->file == NULL)
			snprintf(buf, CONF_WHERE_SIZE, "%s", path);
		else
			snprintf(buf, CONF_WHERE_SIZE, "%s:%u: %s", place->file,
			    place->line, path);
		return (buf);
	}
	return ("configuration");
}
