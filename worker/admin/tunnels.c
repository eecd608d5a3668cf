/*
 * GET /tunnels: the tunnels that are open, one line each, in the words of the
 * audit log, as far as they are what the query asks for.
 */
#include <stdlib.h>

#include "common/log/audit.h"
#include "common/log/sink.h"
#include "worker/admin/exchange.h"
#include "worker/admin/handlers.h"
#include "worker/admin/scan.h"
#include "worker/admin/tunnels_row.h"

/* Looked at by each call: few of them may be what is asked for. */
#define LOOKS_MAX  64

#define LINES_TYPE "application/x-ndjson"
#define ROWS_TYPE  "text/tab-separated-values; charset=utf-8"

struct tunnels_seen {
	struct scan scan;
	bool rows; /* of a table, in no syntax of the audit log */
	enum audit_syntax syntax;
};

static void
put_tunnel(struct exchange *e, const struct tunnels_seen *s)
{
	char line[SINK_LINE_MAX];
	const struct audit_line audit = { .event = AUDIT_OPEN,
		.facts = &s->scan.entry.facts,
		.text = s->scan.entry.text,
		.names = s->scan.names };

	if (s->rows)
		tunnels_row(e->out, &audit);
	else
		text_add(e->out, line,
		    audit_format(&audit, s->syntax, line, sizeof(line)));
}

static enum exchange_step
tunnels_more(struct exchange *e)
{
	struct tunnels_seen *s = e->state;
	size_t before = e->out->len;
	enum scan_look look;
	unsigned i;

	for (i = 0; i < LOOKS_MAX &&
		    e->out->len - before + SINK_LINE_MAX <= EXCHANGE_ROOM;
	     i++) {
		look = scan_next(&s->scan, e->admin);
		if (look == SCAN_END)
			return (EXCHANGE_END);
		if (look == SCAN_FOUND)
			put_tunnel(e, s);
	}
	return (EXCHANGE_MORE);
}

static void
tunnels_done(struct exchange *e)
{
	free(e->state);
}

void
tunnels_answer(struct exchange *e)
{
	struct tunnels_seen *s = calloc(1, sizeof(*s));
	const struct piece *format;

	if (s == NULL) {
		exchange_say(e, 503, "no memory");
		return;
	}
	e->state = s;
	e->done = tunnels_done;
	if (!scan_init(&s->scan, e))
		return;
	format = &s->scan.format;
	s->syntax = piece_is(*format, "text") ? AUDIT_TEXT : AUDIT_JSON;
	s->rows = piece_is(*format, "tsv");
	if (format->s != NULL && !s->rows && s->syntax == AUDIT_JSON &&
	    !piece_is(*format, "json")) {
		exchange_say(e, 400, "format is json, text or tsv");
		return;
	}
	e->type = s->rows		    ? ROWS_TYPE
		  : s->syntax == AUDIT_JSON ? LINES_TYPE
					    : EXCHANGE_TEXT;
	e->more = tunnels_more;
}
