/*
 * Settings that are text: strings, paths, log targets, and words from a list of
 * choices.
 */
#include "common/conf/kind_part.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/conf/table.h"

int
conf_kind_parse_string(void *field, const struct conf_value *v,
    const struct conf_directive *d, char why[CONF_WHY_SIZE])
{
	char *copy;

	if (v->text[0] == '\0' && d->low > 0)
		return (conf_kind_refuse_described(why, "is empty"));
	if ((int64_t)strlen(v->text) > d->high)
		return (conf_kind_refuse_described(why, "is too long"));
	copy = strdup(v->text);
	if (copy == NULL)
		return (-ENOMEM);
	memcpy(field, &copy, sizeof(copy));
	return (0);
}

const char *
conf_kind_format_string(
    const void *field, const struct conf_directive *d, char buf[CONF_TEXT_SIZE])
{
	const char *s;

	memcpy(&s, field, sizeof(s));
	return (s);
}

void
conf_kind_fini_string(void *field)
{
	char *string;

	memcpy(&string, field, sizeof(string));
	free(string);
}

/* A relative path would mean another file after a start elsewhere. */
int
conf_kind_parse_path(void *field, const struct conf_value *v,
    const struct conf_directive *d, char why[CONF_WHY_SIZE])
{
	if (v->text[0] != '/' && (v->text[0] != '\0' || d->low > 0))
		return (-EINVAL);
	return (conf_kind_parse_string(field, v, d, why));
}

int
conf_kind_parse_log_target(void *field, const struct conf_value *v,
    const struct conf_directive *d, char why[CONF_WHY_SIZE])
{
	if (v->text[0] != '/' && strcmp(v->text, "stdout") != 0 &&
	    strcmp(v->text, "stderr") != 0 && strcmp(v->text, "syslog") != 0)
		return (conf_kind_refuse_described(
		    why, "is not a place for a log"));
	return (conf_kind_parse_string(field, v, d, why));
}

_Static_assert(sizeof(enum addr_family) == sizeof(int), "size of an enum");

int
conf_kind_parse_choice(void *field, const struct conf_value *v,
    const struct conf_directive *d, char why[CONF_WHY_SIZE])
{
	const struct conf_word *c;
	int value;

	for (c = conf_kind_words(d); c->text != NULL; c++) {
		if (strcmp(c->text, v->text) != 0)
			continue;
		value = c->value;
		memcpy(field, &value, sizeof(value));
		return (0);
	}
	return (conf_kind_refuse_described(why, "is not one of the choices"));
}

const char *
conf_kind_format_choice(
    const void *field, const struct conf_directive *d, char buf[CONF_TEXT_SIZE])
{
	const struct conf_word *c = conf_kind_words(d);
	int value;

	memcpy(&value, field, sizeof(value));
	while (c->text != NULL && c->value != value)
		c++;
	return (c->text);
}
