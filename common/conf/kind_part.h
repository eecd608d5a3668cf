/*
 * The functions behind the kinds of values: conf_kind_text.c has those of
 * strings and words, conf_kind_number.c those of numbers, with and without a
 * unit, conf_kind_address.c those of addresses, names and what is made of
 * them. Private to conf_kind.
 */
#ifndef COMMON_CONF_KIND_PART_H
#define COMMON_CONF_KIND_PART_H

#include "common/conf/kind.h"

#define KIND(id, type, raw, parse, format, words, noun, refusal) \
	conf_kind_parser conf_kind_parse_##parse;                \
	conf_kind_formatter conf_kind_format_##format;
#include "common/conf/kind.def"

void conf_kind_fini_string(void *field);
void conf_kind_fini_client(void *field);

/* Says what is wrong with a value. -EINVAL. */
int conf_kind_refuse(char why[CONF_WHY_SIZE], const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* The same, with what may be written, where there is nothing better to say. */
int conf_kind_refuse_described(
    char why[CONF_WHY_SIZE], const char *what, const struct conf_directive *);

/* 0, or -EINVAL with why set. */
int conf_kind_in_bounds(
    int64_t value, const struct conf_directive *, char why[CONF_WHY_SIZE]);

#endif
