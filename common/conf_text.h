/* The raw text of the configuration, before libconfig sees it. */
#ifndef COMMON_CONF_TEXT_H
#define COMMON_CONF_TEXT_H

#include "common/conf_error.h"

/*
 * Reads the text, and what it includes, for what libconfig 1.5 does not
 * report: numbers that it would wrap, NUL bytes that it would drop, ends of
 * comments that are missing, includes that would make it exit(3). 0, also
 * where errors were reported; -EINVAL: reported, and libconfig must not read
 * the text; -ENOMEM.
 */
int conf_text_check(struct conf_errors *, const char *text);

#endif
