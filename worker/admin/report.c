/* Writes the report of a load, as JSON and as text. */
#include "worker/admin/report.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/json.h"
#include "common/base/piece.h"
#include "common/boot.h"
#include "common/shm/reports.h"
#include "worker/admin/exchange.h"
#include "worker/admin/state.h"

/* Beside the findings. */
#define REST_SIZE 4096

/* Of those that /status has. */
#define FINDINGS_MAX 8192

/* What a byte of a finding may become in JSON, and a line in text. */
#define JSON_BYTE 6
#define TEXT_LINE (sizeof("warning: ") - 1)

/* "done", "failed", "running" or "waiting". */
static const char *
result_of(const struct report *r)
{
	switch (r->state) {
	case REPORT_TOOK:
		return ("done");
	case REPORT_FAILED:
		return ("failed");
	case REPORT_RUNNING:
		return ("running");
	default:
		return ("waiting");
	}
}

static const char *
level_name(unsigned level)
{
	static const char *const names[] = {
		[LOG_LEVEL_ERROR] = "error",
		[LOG_LEVEL_WARNING] = "warning",
		[LOG_LEVEL_NOTICE] = "notice",
	};

	return (level <= LOG_LEVEL_NOTICE ? names[level] : "finding");
}

/* Takes the next finding off *rest, which is the text of a report in the
 * beginning. False: there is none. */
static bool
next_finding(struct piece *rest, unsigned *level, struct piece *finding)
{
	const char *end =
	    rest->len > 0 ? memchr(rest->s, '\n', rest->len) : NULL;

	if (end == NULL || end == rest->s)
		return (false);
	*finding = piece_cut(rest, (size_t)(end - rest->s));
	(void)piece_cut(rest, 1);
	*level = (unsigned)(piece_cut(finding, 1).s[0] - '0');
	return (true);
}

/* An array of all findings of that level. Strings of JSON end with a NUL. */
static void
put_findings(struct json *j, const char *key, const struct report *r,
    enum log_level wanted)
{
	struct piece rest = { r->text, r->len }, finding;
	unsigned level;
	char *text;

	json_array_open(j, key);
	while (next_finding(&rest, &level, &finding)) {
		if (level != wanted)
			continue;
		text = strndup(finding.s, finding.len);
		json_string(j, NULL, text);
		free(text);
	}
	json_array_close(j);
}

char *
report_json(const struct report *r, size_t *len)
{
	size_t size = JSON_BYTE * r->len + REST_SIZE;
	char stamp[CLOCK_TEXT_SIZE], *bytes = malloc(size);
	struct json j;

	if (bytes == NULL)
		return (NULL);
	json_init(&j, bytes, size - 1);
	json_string(&j, "result", result_of(r));
	if (r->state == REPORT_TOOK || r->state == REPORT_FAILED) {
		json_uint(&j, "generation", r->generation);
		clock_format(stamp, r->ended);
		json_string(&j, "ended", stamp);
		json_msec(&j, "total_ms", r->time);
		put_findings(&j, "errors", r, LOG_LEVEL_ERROR);
		put_findings(&j, "warnings", r, LOG_LEVEL_WARNING);
		put_findings(&j, "notices", r, LOG_LEVEL_NOTICE);
		json_uint(&j, "left_out", r->left_out);
	}
	*len = json_end(&j);
	bytes[(*len)++] = '\n';
	return (bytes);
}

static void
put_end(struct text *t, const struct report *r)
{
	long long ms = (long long)(r->time / CLOCK_MSEC);

	if (r->left_out > 0)
		text_put(t, "notice: %" PRIu32 " more are in the error log\n",
		    r->left_out);
	if (r->state == REPORT_TOOK)
		text_put(t, "reload: done in %lld ms, %s\n", ms, r->summary);
	else if (r->state == REPORT_FAILED)
		text_put(t,
		    "reload: failed after %lld ms: generation %" PRIu32
		    " goes on\n",
		    ms, r->generation);
	else
		text_put(t, "reload: %s\n", result_of(r));
}

char *
report_text(const struct report *r, size_t *len)
{
	struct piece rest = { r->text, r->len }, finding;
	unsigned level, n = 0, i;
	struct text t = { .size = r->len + REST_SIZE };

	for (i = 0; i <= LOG_LEVEL_NOTICE; i++)
		n += r->found[i];
	t.size += n * TEXT_LINE;
	t.bytes = malloc(t.size);
	if (t.bytes == NULL)
		return (NULL);
	while (next_finding(&rest, &level, &finding))
		text_put(&t, "%s: %.*s\n", level_name(level), (int)finding.len,
		    finding.s);
	put_end(&t, r);
	*len = t.len;
	return (t.bytes);
}

void
report_look(struct report_seen *s, const struct exchange *e)
{
	const struct reports *reports = e->admin->boot->reports;
	uint64_t last = reports_last(reports);

	/* What a configuration has is not for all who may see how it is. */
	*s = (struct report_seen){ .open = e->on_control };
	s->loading = reports_state(reports, last) == REPORT_RUNNING;
	if (last > 0 && s->loading)
		last--;
	if (reports_read(reports, last, &s->last) != 0)
		s->last = NULL;
}

void
report_forget(struct report_seen *s)
{
	free(s->last);
	s->last = NULL;
}

void
report_put_json(struct json *j, const struct report_seen *s)
{
	struct piece rest, finding;
	char line[FINDINGS_MAX];
	unsigned level;

	json_bool(j, "loading", s->loading);
	if (s->last == NULL)
		return;
	json_uint(j, "load_errors", s->last->found[LOG_LEVEL_ERROR]);
	json_uint(j, "load_warnings", s->last->found[LOG_LEVEL_WARNING]);
	if (!s->open)
		return;
	json_array_open(j, "load_findings");
	rest = (struct piece){ s->last->text, s->last->len };
	while (next_finding(&rest, &level, &finding)) {
		(void)snprintf(line, sizeof(line), "%s: %.*s",
		    level_name(level), (int)finding.len, finding.s);
		json_string(j, NULL, line);
	}
	json_array_close(j);
}

/* Its errors and warnings. */
static void
put_text_findings(struct text *out, const struct report *r)
{
	struct piece rest = { r->text, r->len }, finding;
	uint32_t left = r->left_out;
	size_t begin = out->len;
	unsigned level;

	while (next_finding(&rest, &level, &finding)) {
		if (level > LOG_LEVEL_WARNING)
			continue;
		if (out->len - begin + finding.len > FINDINGS_MAX)
			left++;
		else
			text_put(out, "            %s: %.*s\n",
			    level_name(level), (int)finding.len, finding.s);
	}
	if (left > 0)
		text_put(out,
		    "            and %" PRIu32 " more, in the error log\n",
		    left);
}

void
report_put_text(struct text *out, const struct report_seen *s, bool failed)
{
	bool known = failed && s->open && s->last != NULL &&
		     s->last->state == REPORT_FAILED;
	char stamp[CLOCK_TEXT_SIZE];

	if (known) {
		clock_format(stamp, s->last->ended);
		text_put(out, "; the last one failed at %s", stamp);
	} else if (failed) {
		text_put(
		    out, "; the last one failed, and the error log says why");
	}
	text_put(out, "%s\n", s->loading ? "; one is under way" : "");
	if (known)
		put_text_findings(out, s->last);
}
