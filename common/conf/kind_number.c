/*
 * Settings that are numbers: booleans, counts, marks, ports, and times and
 * sizes with their units.
 */
#include "common/conf/kind_part.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/conf/table.h"

#define WHOLE 18 /* digits that surely fit an int64_t */

int
conf_kind_parse_bool(void *field, const struct conf_value *v,
    const struct conf_directive *d, char why[CONF_WHY_SIZE])
{
	*(bool *)field = v->number != 0;
	return (0);
}

const char *
conf_kind_format_bool(
    const void *field, const struct conf_directive *d, char buf[CONF_TEXT_SIZE])
{
	return (*(const bool *)field ? "true" : "false");
}

int
conf_kind_parse_count(void *field, const struct conf_value *v,
    const struct conf_directive *d, char why[CONF_WHY_SIZE])
{
	*(int64_t *)field = v->number;
	return (conf_kind_in_bounds(v->number, d, why));
}

const char *
conf_kind_format_count(
    const void *field, const struct conf_directive *d, char buf[CONF_TEXT_SIZE])
{
	snprintf(buf, CONF_TEXT_SIZE, "%" PRId64, *(const int64_t *)field);
	return (buf);
}

/* Absent is -1. */
const char *
conf_kind_format_optional_count(
    const void *field, const struct conf_directive *d, char buf[CONF_TEXT_SIZE])
{
	return (*(const int64_t *)field < 0
		    ? NULL
		    : conf_kind_format_count(field, d, buf));
}

/* Absent is 0. */
const char *
conf_kind_format_mark(
    const void *field, const struct conf_directive *d, char buf[CONF_TEXT_SIZE])
{
	int64_t mark = *(const int64_t *)field;

	if (mark == 0)
		return (NULL);
	snprintf(buf, CONF_TEXT_SIZE, "%" PRId64, mark);
	return (buf);
}

int
conf_kind_parse_port(void *field, const struct conf_value *v,
    const struct conf_directive *d, char why[CONF_WHY_SIZE])
{
	*(uint16_t *)field = v->number;
	return (conf_kind_in_bounds(v->number, d, why));
}

const char *
conf_kind_format_port(
    const void *field, const struct conf_directive *d, char buf[CONF_TEXT_SIZE])
{
	if (*(const uint16_t *)field == 0)
		return (NULL);
	snprintf(buf, CONF_TEXT_SIZE, "%u", *(const uint16_t *)field);
	return (buf);
}

/* A whole number and a unit; "0" needs none. 0 or -EINVAL. */
static int
parse_units(int64_t *value, const char *s, const struct conf_word *units)
{
	size_t digits = strspn(s, "0123456789");

	if (digits == 0)
		return (-EINVAL);
	*value = digits > WHOLE ? INT64_MAX : strtoll(s, NULL, 10);
	s += digits;
	if (*s == '\0' && *value == 0)
		return (0);
	for (; units->text != NULL; units++)
		if (strcmp(units->text, s) == 0)
			break;
	if (units->text == NULL)
		return (-EINVAL);
	/* What does not fit is beyond any bound. */
	if (__builtin_mul_overflow(*value, units->value, value))
		*value = INT64_MAX;
	return (0);
}

int
conf_kind_parse_quantity(void *field, const struct conf_value *v,
    const struct conf_directive *d, char why[CONF_WHY_SIZE])
{
	int64_t *value = field;

	if (parse_units(value, v->text, conf_kind_words(d)) != 0)
		return (-EINVAL);
	return (conf_kind_in_bounds(*value, d, why));
}

/* In the largest unit that leaves a whole number. */
const char *
conf_kind_format_quantity(
    const void *field, const struct conf_directive *d, char buf[CONF_TEXT_SIZE])
{
	const struct conf_word *unit, *best = conf_kind_words(d);
	int64_t value = *(const int64_t *)field;

	if (value < 0)
		return (NULL);
	if (value == 0)
		return ("0");
	for (unit = best; unit->text != NULL; unit++)
		if (value % unit->value == 0)
			best = unit;
	snprintf(buf, CONF_TEXT_SIZE, "%" PRId64 "%s", value / best->value,
	    best->text);
	return (buf);
}
