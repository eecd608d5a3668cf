/*
 * POST /reload asks the master for a reload, POST /upgrade for an upgrade,
 * which ends with one. GET /reload is the report of the last load, or, by its
 * token, of the one that somebody waits for.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "common/control.h"
#include "common/log/log.h"
#include "common/shm/reports.h"
#include "common/shm/service.h"
#include "worker/admin/exchange.h"
#include "worker/admin/handlers.h"
#include "worker/admin/report.h"
#include "worker/admin/state.h"

#define TOKEN_DIGITS 16

/* What a query may say. */
struct asked {
	bool has_token, text;
	uint64_t token;
};

/* What is left of an answer. */
struct rest {
	size_t at, len;
	char *bytes;
};

/* So many digits, hexadecimal and in lower case; 0 is none. */
static bool
read_token(uint64_t *token, struct piece p)
{
	static const char digits[] = "0123456789abcdef";
	const char *digit;
	size_t i;

	*token = 0;
	for (i = 0; i < p.len; i++) {
		digit = memchr(digits, p.s[i], sizeof(digits) - 1);
		if (digit == NULL)
			return (false);
		*token = *token << 4 | (uint64_t)(digit - digits);
	}
	return (p.len == TOKEN_DIGITS && *token != 0);
}

/* False: the query makes no sense, and that is the answer. */
static bool
read_query(struct exchange *e, struct asked *asked)
{
	struct http_params params;
	char query[HTTP_HEAD_MAX];
	struct piece token, format;

	if (e->request->query.len > sizeof(query) ||
	    http_query(&params, e->request->query, query) != 0) {
		exchange_say(e, 400, "the query is malformed");
		return (false);
	}
	token = http_param(&params, "token");
	format = http_param(&params, "format");
	*asked = (struct asked){ .has_token = token.s != NULL,
		.text = piece_is(format, "text") };
	if (format.s != NULL && !asked->text && !piece_is(format, "json")) {
		exchange_say(e, 400, "format is json or text");
		return (false);
	}
	if (asked->has_token && !read_token(&asked->token, token)) {
		exchange_say(e, 400,
		    "a token has %d digits, hexadecimal and in lower case",
		    TOKEN_DIGITS);
		return (false);
	}
	return (true);
}

static enum exchange_step
rest_more(struct exchange *e)
{
	struct rest *rest = e->state;
	size_t n = rest->len - rest->at;

	if (n > EXCHANGE_ROOM)
		n = EXCHANGE_ROOM;
	text_add(e->out, rest->bytes + rest->at, n);
	rest->at += n;
	return (rest->at < rest->len ? EXCHANGE_MORE : EXCHANGE_END);
}

static void
rest_done(struct exchange *e)
{
	struct rest *rest = e->state;

	free(rest->bytes);
	free(rest);
}

/* The whole report is the answer. */
static void
show(struct exchange *e, const struct report *r, bool text)
{
	struct rest *rest = calloc(1, sizeof(*rest));

	if (rest != NULL)
		rest->bytes = text ? report_text(r, &rest->len)
				   : report_json(r, &rest->len);
	if (rest == NULL || rest->bytes == NULL) {
		free(rest);
		exchange_say(e, 503, "no memory");
		return;
	}
	e->type = text ? EXCHANGE_TEXT : EXCHANGE_JSON;
	e->state = rest;
	e->more = rest_more;
	e->done = rest_done;
}

static void
wait_for_it(struct exchange *e, bool text)
{
	const struct report waiting = { .state = REPORT_WAITING };

	show(e, &waiting, text);
	e->status = e->more != NULL ? 202 : e->status;
}

/* Nothing that is not done by now will be. */
static bool
is_stopping(const struct admin *a)
{
	return (service_get(a->boot->shm, SERVICE_PHASE) == SERVICE_STOPPING);
}

/* As a report of a load that failed. */
static void
say_stopping(struct exchange *e, bool text)
{
	exchange_say(e, 409,
	    text ? "reload: sniport is stopping"
		 : "{\"result\":\"failed\",\"errors\":"
		   "[\"sniport is stopping\"]}");
	if (!text)
		e->type = EXCHANGE_JSON;
}

/* The report of the load that the token waits for. */
static void
answer_token(struct exchange *e, const struct asked *asked)
{
	const struct reports *reports = e->admin->boot->reports;
	uint64_t last = reports_last(reports);
	uint64_t serial = reports_find(reports, asked->token);
	bool stopping = is_stopping(e->admin);
	struct report *r = NULL;

	if (serial != 0 && serial <= last &&
	    reports_read(reports, serial, &r) != 0) {
		exchange_say(e, 404, "its report is not kept any more");
	} else if (r != NULL && r->state != REPORT_RUNNING) {
		show(e, r, asked->text);
		if (e->more != NULL && r->state == REPORT_FAILED)
			e->status = 409;
	} else if (stopping) {
		say_stopping(e, asked->text);
	} else if (serial != 0 ||
		   reports_state(reports, last) == REPORT_RUNNING) {
		/* While it reads a configuration the master may not have heard
		 * of a token. */
		wait_for_it(e, asked->text);
	} else {
		exchange_say(e, 404, "nobody has asked by that token");
	}
	free(r);
}

void
report_answer(struct exchange *e)
{
	const struct reports *reports = e->admin->boot->reports;
	struct report *r = NULL;
	struct asked asked;

	if (!read_query(e, &asked))
		return;
	if (asked.has_token) {
		answer_token(e, &asked);
		return;
	}
	if (reports_read(reports, reports_last(reports), &r) != 0)
		exchange_say(e, 503, "there is no report now");
	else
		show(e, r, asked.text);
	free(r);
}

static void
ask_master(struct exchange *e, enum control_type type, const char *what)
{
	struct control_msg msg = { .type = type };
	const struct admin *a = e->admin;
	struct asked asked;
	int error;

	if (!read_query(e, &asked))
		return;
	if (is_stopping(a)) {
		say_stopping(e, asked.text);
		return;
	}
	while (asked.token == 0)
		if (getrandom(&asked.token, sizeof(asked.token), 0) < 0)
			break;
	msg.token = asked.token;
	error = asked.token == 0
		    ? -EIO
		    : control_send(a->boot->control_fd, &msg, NULL, 0);
	if (error != 0) {
		exchange_say(e, 503, "the master cannot be told now: %s",
		    strerrordesc_np(-error));
		return;
	}
	log_write(a->boot->log, LOG_LEVEL_NOTICE,
	    "%s: asked for by process %d of user %u", what, (int)e->peer.pid,
	    (unsigned)e->peer.uid);
	e->status = 202;
	e->type = EXCHANGE_JSON;
	text_put(e->out, "{\"token\":\"%016" PRIx64 "\"}\n", asked.token);
}

void
reload_answer(struct exchange *e)
{
	ask_master(e, CONTROL_RELOAD, "reload");
}

void
upgrade_answer(struct exchange *e)
{
	ask_master(e, CONTROL_UPGRADE, "upgrade");
}
