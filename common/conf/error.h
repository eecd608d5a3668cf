/* The errors of one run over a configuration, collected as text. */
#ifndef COMMON_CONF_ERROR_H
#define COMMON_CONF_ERROR_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include <libconfig.h>

#include "common/base/pause.h"

struct conf_errors {
	FILE *stream;	     /* into text */
	const char *file;    /* borrowed: of settings without their own */
	char *dir;	     /* owned: included files are relative to it */
	struct pause *pause; /* of whoever reads; borrowed, or NULL */
	size_t count;
	char *text;
	size_t len;
};

/* file names the text in errors, and is kept, as is pause. 0 or -ENOMEM. */
int conf_errors_init(
    struct conf_errors *, const char *file, struct pause *pause);

/*
 * result is that of the run. Where it is -EINVAL, *text is what was collected,
 * owned by the caller; else NULL. Returns result, or -ENOMEM.
 */
int conf_errors_fini(struct conf_errors *, int result, char **text);

/* Adds a line "file:line: setting: ...", setting "" being left out; fmt without
 * a newline. */
void conf_error(struct conf_errors *, const char *file, unsigned line,
    const char *setting, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));

/* Reports at the setting's place, and marks it as bad. */
void conf_error_at(struct conf_errors *, config_setting_t *,
    const char *setting, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* The file that a setting is in, as errors show it: borrowed, or buf. */
const char *conf_error_file(
    const struct conf_errors *, const config_setting_t *, char buf[PATH_MAX]);

/* Was nothing reported at the setting? Also of NULL. */
bool conf_error_free(const config_setting_t *);

/* Reports why libconfig could not read the text, as far as it says. */
void conf_error_syntax(struct conf_errors *, const config_t *);

#endif
