/*
 * The functions behind the kinds of values: kind_text.c has those of
 * strings and words, kind_number.c those of numbers, with and without a
 * unit, kind_address.c those of addresses, names and what is made of
 * them. Private to conf_kind.
 */
#ifndef COMMON_CONF_KIND_PART_H
#define COMMON_CONF_KIND_PART_H

#include "common/conf/kind.h"

#define KIND(id, type, raw, parse, format, words, noun, refusal) \
	conf_kind_parser conf_kind_parse_##parse;                \
	conf_kind_formatter conf_kind_format_##format;
#include "common/conf/kind.def"

/* The choices, or the units from the smallest to the largest; NULL: none. */
const struct conf_word *conf_kind_words(const struct conf_directive *);

void conf_kind_fini_string(void *field);
void conf_kind_fini_client(void *field);

/* Says what is wrong with a value. -EINVAL. */
int conf_kind_refuse(char why[CONF_WHY_SIZE], const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* The same; what may be written is added, since there is nothing better to say.
 * -EDOM. */
int conf_kind_refuse_described(char why[CONF_WHY_SIZE], const char *what);

/* 0, or -EDOM with why set. */
int conf_kind_in_bounds(
    int64_t value, const struct conf_directive *, char why[CONF_WHY_SIZE]);

#endif
