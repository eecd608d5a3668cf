/* The report of a load, as JSON and as text for people. */
#ifndef WORKER_ADMIN_REPORT_H
#define WORKER_ADMIN_REPORT_H

#include <stdbool.h>
#include <stddef.h>

struct exchange;
struct json;
struct report;
struct text;

/* Both return memory that the caller owns, with *len bytes in it, or NULL. */
char *report_json(const struct report *, size_t *len);

/* Lines: "error: ...", "warning: ...", "notice: ...", and in the end "reload:
 * ...". */
char *report_text(const struct report *, size_t *len);

/* The last load, as /status has it. */
struct report_seen {
	bool loading;	     /* another one is under way */
	bool open;	     /* whoever asks may see what was found */
	struct report *last; /* that is over; NULL: it is not known */
};

void report_look(struct report_seen *, const struct exchange *);
void report_forget(struct report_seen *);

/* Fields of an object, the findings as far as there is room. */
void report_put_json(struct json *, const struct report_seen *);

/* The rest of a line about reloads, and, if the last one failed, lines with its
 * errors and warnings. */
void report_put_text(struct text *, const struct report_seen *, bool failed);

#endif
