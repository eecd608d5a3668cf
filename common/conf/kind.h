/* The kinds of values: from text to a field, and from a field to text. */
#ifndef COMMON_CONF_KIND_H
#define COMMON_CONF_KIND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <libconfig.h>

#include "common/base/clock.h"
#include "common/policy/rule.h"

#define CONF_KIB    INT64_C(1024)
#define CONF_MIB    (1024 * CONF_KIB)
#define CONF_MINUTE (60 * CLOCK_SEC)
#define CONF_HOUR   (60 * CONF_MINUTE)
#define CONF_DAY    (24 * CONF_HOUR)
#define CONF_YEAR   (365 * CONF_DAY)

struct conf_directive;

enum conf_kind_id {
#define KIND(id, type, raw, parse, format, words, noun, refusal) CONF_KIND_##id,
#include "common/conf/kind.def"
};

/* What is in the file; number: also of BOOL. */
struct conf_value {
	const char *text;
	int64_t number;
};

/* Room for what is wrong with a value, and for any text of a format function
 * but strings, which are returned as they are. */
#define CONF_WHY_SIZE  512
#define CONF_TEXT_SIZE IDENTITY_PATTERN_TEXT_SIZE

/* A choice, or a unit and its scale; in tables that end with a NULL text. */
struct conf_word {
	const char *text;
	int64_t value;
};

/* For conf_kind_parse(): -EINVAL where why is set, or the kind's refusal does;
 * -EDOM where what may be written is to be added to why. */
typedef int conf_kind_parser(void *field, const struct conf_value *,
    const struct conf_directive *, char why[CONF_WHY_SIZE]);

/* NULL where the value is absent; else buf, or a borrowed string. */
typedef const char *conf_kind_formatter(
    const void *field, const struct conf_directive *, char buf[CONF_TEXT_SIZE]);

struct conf_kind {
	int raw;		   /* CONFIG_TYPE_STRING, _BOOL or _INT */
	void (*fini)(void *field); /* frees what it owns; NULL: nothing */
	conf_kind_parser *parse;
	conf_kind_formatter *format;
	const char *noun;
	const char *refusal;
};

/* The kind of a setting, or of the elements of a list. */
const struct conf_kind *conf_kind(const struct conf_directive *);

/*
 * Sets the field, or one element of a list, from a value of the kind's type
 * in the file. A string is copied. 0; -EINVAL with why set ("is ...; write
 * ..."), and a number may be set, too; or -ENOMEM.
 */
int conf_kind_parse(void *field, const struct conf_value *,
    const struct conf_directive *, char why[CONF_WHY_SIZE]);

/* "a time from "1ms" to "1h"": what may be written, for messages and the
 * manual; of settings of any shape. */
#define CONF_DESCRIPTION_SIZE 256
void conf_describe(
    const struct conf_directive *, char buf[CONF_DESCRIPTION_SIZE]);

#endif
