/* The audit line: one record per tunnel that says truthfully what happened. */
#ifndef COMMON_LOG_AUDIT_H
#define COMMON_LOG_AUDIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/log/facts.h"

/* Room for client, target and reason, which are never left out. */
#define AUDIT_SIZE_MIN 1024

struct sink;

enum audit_event {
	AUDIT_CONNECT, /* the tunnel is established; it goes on */
	AUDIT_OPEN, /* no line of the log: it is looked at while it is open */
	AUDIT_END   /* the one line that every tunnel has */
};

enum audit_syntax {
	AUDIT_JSON,
	AUDIT_TEXT
};

/* What one line is printed from, and nothing else; all borrowed. What is not
 * known has no field. */
struct audit_line {
	enum audit_event event;
	const struct tunnel_facts *facts;
	const uint8_t *text; /* of the facts, all of it in one piece */
	const struct facts_names *names;
};

/*
 * Formats it as one line with its newline into buf, of AUDIT_SIZE_MIN
 * bytes at least; never more than SINK_LINE_MAX bytes. What has no room is
 * left out, and "cut" says so. Returns the length. Pure.
 */
size_t audit_format(
    const struct audit_line *, enum audit_syntax, char *buf, size_t size);

/* Formats and writes. 0, or -errno of sink_write (the line is lost). */
int audit_write(struct sink *, enum audit_syntax, const struct audit_line *);

/* Writes a record that says how many lines before it were dropped. */
int audit_write_dropped(struct sink *, enum audit_syntax, unsigned worker,
    unsigned generation, uint64_t count);

/* Is it such a line? */
bool audit_tells_dropped(const char *line, size_t len);

#endif
