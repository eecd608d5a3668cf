/* The raw text of the configuration, before libconfig sees it. */
#ifndef COMMON_CONF_TEXT_H
#define COMMON_CONF_TEXT_H

#include <stdint.h>

#include "common/conf/error.h"
#include "common/conf/syntax.h"

/* A number that libconfig 1.5 does not read as it is written. */
struct conf_number {
	char *file;    /* owned */
	unsigned line; /* of its setting's name */
	int64_t value;
	bool reported; /* it was an error of its own */
	bool used;
};

struct conf_text {
	struct conf_fault fault;
	char *fault_file; /* owned */
	struct conf_number *numbers;
	size_t nnumbers;
};

/*
 * Reads the text, and what it includes, for what libconfig 1.5 does not report:
 * numbers that it would wrap, NUL bytes that it would drop, comments and
 * strings that do not end, strings of a list that no comma parts, includes that
 * would make it exit(3); and notes where the syntax is wrong. 0, also where
 * errors were reported; -EINVAL: reported, and libconfig must not read the
 * text; -ENOMEM; as pause_step(). Whatever it is, conf_text_fini() frees what
 * the struct holds.
 */
int conf_text_check(struct conf_text *, struct conf_errors *, const char *text);
void conf_text_fini(struct conf_text *);

/* Reports what libconfig did not understand. */
void conf_text_refused(
    const struct conf_text *, struct conf_errors *, const config_t *);

/*
 * The number of a setting as it is written, where libconfig read *value.
 * Returns false if an error was reported about it.
 */
bool conf_text_number(
    struct conf_text *, const char *file, unsigned line, int64_t *value);

#endif
