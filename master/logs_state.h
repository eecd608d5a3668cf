/*
 * The logs, for the two files that care for them: logs.c (opens, shares and
 * closes them), and logs_watch.c, which calls it.
 */
#ifndef MASTER_LOGS_STATE_H
#define MASTER_LOGS_STATE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "master/logs.h"
#include "master/writer.h"

struct logs_entry {
	TAILQ_ENTRY(logs_entry) entry;
	struct logs *logs;
	enum logs_role role;
	unsigned users;
	struct sink *sink; /* NULL: closed */
	bool has_writer;
	struct writer writer;
	int error;	  /* of the writer, which the error log has */
	uint64_t moved;	  /* a measure of what was written */
	int64_t moved_at; /* when something was first seen to wait since */
	bool waits;
	bool stands;	/* the error log says so */
	uint64_t stood; /* ... with so much written */
	bool given_up;
	char target[];
};

/* "log.error" */
const char *logs_setting(const struct logs_entry *);

/* Hears what its writer says. If it cannot be heard, its errors are not
 * told. */
void logs_hear(struct logs_entry *);

/* Closing alone would not do while a child that was just forked has a copy. */
void logs_unhear(struct logs_entry *);

/* Frees one that nobody uses, once its lines are written. */
void logs_tidy(struct logs_entry *);

#endif
