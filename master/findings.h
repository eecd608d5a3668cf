/*
 * What is wrong with a configuration and its surroundings, collected so that
 * all of it is told at once: printed at a start, logged at a reload.
 */
#ifndef MASTER_FINDINGS_H
#define MASTER_FINDINGS_H

#include <stddef.h>
#include <stdio.h>
#include <sys/queue.h>

#include "common/log/log.h"

struct conf;

struct finding {
	STAILQ_ENTRY(finding) entry;
	enum log_level level; /* ERROR, WARNING or NOTICE */
	char text[];	      /* one line without its newline */
};

struct findings {
	STAILQ_HEAD(finding_list, finding) list;
	size_t nerrors; /* also counts those that memory had no room for */
};

void findings_init(struct findings *);
void findings_fini(struct findings *);

/* Adds one line. */
void findings_add(struct findings *, enum log_level, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Adds one line about the setting whose field that is in conf: "file:line:
 * setting: ..." (conf_where()). */
void findings_add_at(struct findings *, enum log_level, const struct conf *,
    const void *field, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));

/* Adds every line of text (what conf_load() returned) as an error. */
void findings_add_lines(struct findings *, const char *text);

/* The first error, borrowed; a static text where there is none. */
const char *findings_first_error(const struct findings *);

/* "sniport: text" and "sniport: warning: text", with their severity where the
 * file is the journal; notices are left out. */
void findings_print(const struct findings *, FILE *);

/* Each line as one line of the log. */
void findings_log(const struct findings *, struct log *);

#endif
