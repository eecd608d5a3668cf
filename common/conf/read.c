/*
 * Walks libconfig's tree along the table of settings and fills the structs;
 * unknown and duplicate settings are found here.
 */
#include "common/conf/read.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "common/conf/place.h"
#include "common/conf/table.h"

/* The walk; want of memory, and that it was broken off, is told at its end. */
struct reader {
	struct conf *conf;
	struct conf_text *text;
	struct conf_errors *errors;
	bool no_memory;
	int stopped; /* 0 or as pause_step() */
};

static void read_group(struct reader *, enum conf_section_id, void *base,
    config_setting_t *group, config_setting_t *place);

/* An error of what d describes. */
static void __attribute__((format(printf, 4, 5)))
reader_error(struct reader *r, const struct conf_directive *d,
    config_setting_t *place, const char *fmt, ...)
{
	char path[CONF_PATH_SIZE], text[CONF_WHY_SIZE + 128];
	va_list ap;

	conf_path(d, path);
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	conf_error_at(r->errors, place, path, "%s", text);
}

static const char *
type_name(const config_setting_t *setting)
{
	switch (config_setting_type(setting)) {
	case CONFIG_TYPE_GROUP:
		return ("a group");
	case CONFIG_TYPE_INT:
	case CONFIG_TYPE_INT64:
		return ("a number");
	case CONFIG_TYPE_FLOAT:
		return ("a number with a fraction");
	case CONFIG_TYPE_STRING:
		return ("a string");
	case CONFIG_TYPE_BOOL:
		return ("a boolean");
	case CONFIG_TYPE_ARRAY:
	case CONFIG_TYPE_LIST:
		return ("a list");
	default:
		return ("nothing");
	}
}

static void
mistyped(
    struct reader *r, const struct conf_directive *d, config_setting_t *setting)
{
	char description[CONF_DESCRIPTION_SIZE];

	conf_describe(d, description);
	reader_error(
	    r, d, setting, "is %s; write %s", type_name(setting), description);
}

static bool
has_control(const char *s)
{
	for (; *s != '\0'; s++)
		if ((unsigned char)*s < ' ' || *s == '\x7f')
			return (true);
	return (false);
}

/* False: an error was reported about it. */
static bool
read_number(struct reader *r, config_setting_t *setting, int64_t *number)
{
	char file[PATH_MAX];

	*number = config_setting_get_int64(setting);
	return (
	    conf_text_number(r->text, conf_error_file(r->errors, setting, file),
		config_setting_source_line(setting), number));
}

/* Reads one value, of a setting or an element of a list, into field. */
static void
read_value(struct reader *r, const struct conf_directive *d,
    config_setting_t *setting, void *field)
{
	int type = config_setting_type(setting), result;
	struct conf_value value = { NULL, 0 };
	char why[CONF_WHY_SIZE];

	if (type == CONFIG_TYPE_INT64)
		type = CONFIG_TYPE_INT;
	if (type != conf_kind(d)->raw) {
		mistyped(r, d, setting);
		return;
	}
	if (type == CONFIG_TYPE_INT && !read_number(r, setting, &value.number))
		return;
	if (type == CONFIG_TYPE_BOOL)
		value.number = config_setting_get_bool(setting);
	else if (type == CONFIG_TYPE_STRING)
		value.text = config_setting_get_string(setting);
	if (value.text != NULL && has_control(value.text)) {
		reader_error(r, d, setting,
		    strchr(value.text, '\n') != NULL
			? "contains a line break; is a quote missing?"
			: "contains a control character; leave it out");
		return;
	}
	result = conf_kind_parse(field, &value, d, why);
	if (result == -ENOMEM)
		r->no_memory = true;
	else if (result != 0 && value.text != NULL)
		reader_error(r, d, setting, "\"%.100s\" %s", value.text, why);
	else if (result != 0)
		reader_error(
		    r, d, setting, "%lld %s", (long long)value.number, why);
}

static bool
is_list(const config_setting_t *setting)
{
	return (config_setting_is_list(setting) ||
		config_setting_is_array(setting));
}

/* Reads a LIST or GROUPS into an array in base. */
static void
read_elements(struct reader *r, const struct conf_directive *d,
    config_setting_t *setting, char *base)
{
	char description[CONF_DESCRIPTION_SIZE];
	config_setting_t *element;
	struct conf_elements e = { NULL, 0 };
	size_t i;

	if (!is_list(setting)) {
		mistyped(r, d, setting);
		return;
	}
	e.n = config_setting_length(setting);
	if ((int64_t)e.n < d->low || (int64_t)e.n > d->high) {
		conf_describe(d, description);
		reader_error(r, d, setting, "%s; write %s%s",
		    e.n == 0 ? "is empty" : "has too many elements",
		    description,
		    conf_is_required(d) ? "" : ", or leave it out");
		return;
	}
	e.at = e.n > 0 ? calloc(e.n, d->size) : NULL;
	if (e.n > 0 && e.at == NULL) {
		r->no_memory = true;
		return;
	}
	conf_elements_set(d, base, e);
	for (i = 0; i < e.n; i++) {
		r->stopped = pause_step(r->errors->pause);
		if (r->stopped != 0)
			return;
		element = config_setting_get_elem(setting, i);
		if (d->shape == CONF_LIST)
			read_value(r, d, element, e.at + i * d->size);
		else if (config_setting_is_group(element))
			read_group(
			    r, d->inner, e.at + i * d->size, element, element);
		else
			reader_error(r, d, element, "is %s; write { ... }",
			    type_name(element));
	}
}

/* For who reports on the field later; setting NULL: it has its default. */
static void
note_place(struct reader *r, const struct conf_directive *d,
    const config_setting_t *setting, const char *base)
{
	if (conf_place_add(r->conf, base + d->offset, d, setting, r->errors) !=
	    0)
		r->no_memory = true;
}

static void
read_setting(struct reader *r, const struct conf_directive *d,
    config_setting_t *setting, char *base)
{
	/* A group's first field would have the same address. */
	if (d->shape != CONF_GROUP)
		note_place(r, d, setting, base);
	switch (d->shape) {
	case CONF_ONE:
		read_value(r, d, setting, base + d->offset);
		return;
	case CONF_LIST:
	case CONF_GROUPS:
		read_elements(r, d, setting, base);
		return;
	case CONF_GROUP:
		if (config_setting_is_group(setting))
			read_group(
			    r, d->inner, base + d->offset, setting, setting);
		else
			mistyped(r, d, setting);
		return;
	}
}

static void
unknown(
    struct reader *r, enum conf_section_id section, config_setting_t *setting)
{
	const struct conf_directive named = { .section = section,
		.name = config_setting_name(setting) };
	const struct conf_directive *d = conf_nearest(section, named.name);
	char path[CONF_PATH_SIZE], names[256];
	size_t len = 0;

	if (d != NULL) {
		conf_path(d, path);
		reader_error(r, &named, setting,
		    "is not a setting; did you mean %s?", path);
		return;
	}
	while ((d = conf_next(section, d)) != NULL && len < sizeof(names))
		len += snprintf(names + len, sizeof(names) - len, "%s%s",
		    len > 0 ? ", " : "", d->name);
	reader_error(
	    r, &named, setting, "is not a setting; write one of %s", names);
}

/* The default goes through the same functions as what is in the file. */
static void
set_default(struct reader *r, const struct conf_directive *d, char *base)
{
	struct conf_value value = { d->initial, 0 };
	char why[CONF_WHY_SIZE];

	if ((d->kind == CONF_KIND_OPTIONAL_TIME ||
		d->kind == CONF_KIND_OPTIONAL_COUNT ||
		d->kind == CONF_KIND_OPTIONAL_SIZE) &&
	    d->initial == CONF_ABSENT)
		*(int64_t *)(void *)(base + d->offset) = -1;
	if (d->initial == CONF_ABSENT)
		return;
	if (conf_kind(d)->raw == CONFIG_TYPE_BOOL)
		value.number = strcmp(d->initial, "true") == 0;
	if (conf_kind(d)->raw == CONFIG_TYPE_INT)
		value.number = strtoll(d->initial, NULL, 10);
	if (conf_kind_parse(base + d->offset, &value, d, why) != 0)
		r->no_memory = true;
}

/* What is not in the file; place is where it could have been. */
static void
read_absent(struct reader *r, const struct conf_directive *d, char *base,
    config_setting_t *place)
{
	char description[CONF_DESCRIPTION_SIZE];

	if (d->shape == CONF_GROUP) {
		read_group(r, d->inner, base + d->offset, NULL, place);
		return;
	}
	note_place(r, d, NULL, base);
	if (conf_is_required(d)) {
		conf_describe(d, description);
		reader_error(r, d, place, "is missing; write %s", description);
	} else if (d->shape == CONF_ONE) {
		set_default(r, d, base);
	}
}

/* Reads a group, which may be absent itself, in the order of the file. */
static void
read_group(struct reader *r, enum conf_section_id section, void *base,
    config_setting_t *group, config_setting_t *place)
{
	int i, n = group != NULL ? config_setting_length(group) : 0;
	const struct conf_directive *d;
	config_setting_t *setting;

	for (i = 0; i < n; i++) {
		setting = config_setting_get_elem(group, i);
		d = conf_find(section, config_setting_name(setting));
		if (d != NULL)
			read_setting(r, d, setting, base);
		else
			unknown(r, section, setting);
	}
	d = NULL;
	while ((d = conf_next(section, d)) != NULL)
		if (group == NULL ||
		    config_setting_get_member(group, d->name) == NULL)
			read_absent(r, d, base, place);
}

int
conf_read(struct conf *conf, config_setting_t *root, struct conf_text *text,
    struct conf_errors *errors)
{
	struct reader r = { .conf = conf, .text = text, .errors = errors };

	read_group(&r, CONF_SECTION_top, conf, root, root);
	return (r.no_memory ? -ENOMEM : r.stopped);
}
