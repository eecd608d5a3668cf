/* Writes lists of tunnels for people and for programs. */
#include "master/top_view.h"

#include <inttypes.h>
#include <string.h>

#include "common/base/json.h"

/* Of a row, more than any has: the longest target, rule and identity. */
#define ROW_SIZE    2048
#define OBJECT_SIZE 4096
#define SIZE_SIZE   16

/* Lines of the screen that are no rows. */
#define HEAD_LINES 3

/* "987", "1.2K", "34M": in units of 1024, in six places at most. */
static const char *
size_text(char buf[SIZE_SIZE], uint64_t n)
{
	static const char units[] = "KMGTPE";
	double value = (double)n;
	unsigned i;

	if (n < 1000) {
		snprintf(buf, SIZE_SIZE, "%" PRIu64, n);
		return (buf);
	}
	value /= 1024;
	for (i = 0; value >= 999.5 && i + 2 < sizeof(units); i++)
		value /= 1024;
	snprintf(buf, SIZE_SIZE, value < 9.95 ? "%.1f%c" : "%.0f%c", value,
	    units[i]);
	return (buf);
}

/* "59s", "3m07s", "2h05m", "12d03h" */
static const char *
age_text(char buf[SIZE_SIZE], uint64_t ms)
{
	uint64_t s = ms / 1000;

	if (s < 60)
		snprintf(buf, SIZE_SIZE, "%us", (unsigned)s);
	else if (s < 3600)
		snprintf(buf, SIZE_SIZE, "%um%02us", (unsigned)(s / 60),
		    (unsigned)(s % 60));
	else if (s < 86400)
		snprintf(buf, SIZE_SIZE, "%uh%02um", (unsigned)(s / 3600),
		    (unsigned)(s / 60 % 60));
	else
		snprintf(buf, SIZE_SIZE, "%ud%02uh", (unsigned)(s / 86400),
		    (unsigned)(s / 3600 % 24));
	return (buf);
}

static const char *
rate_text(const struct top_view *v, char buf[SIZE_SIZE], uint64_t n)
{
	return (v->rates ? size_text(buf, n) : "-");
}

/* As much of a line as the screen is wide. */
static void
put_line(const struct top_view *v, const char *line, FILE *out)
{
	if (v->columns == 0)
		fprintf(out, "%s\n", line);
	else
		fprintf(out, "%.*s\033[K\n", (int)v->columns, line);
}

static void
put_row(const struct top_view *v, const struct top_row *r, FILE *out)
{
	char up[SIZE_SIZE], down[SIZE_SIZE], total[SIZE_SIZE], age[SIZE_SIZE];
	struct piece who = r->identity.len > 0 ? r->identity : r->client;
	char row[ROW_SIZE];

	snprintf(row, sizeof(row),
	    "%7s %7s %7s %7s  %-12.*s %.*s -> %.*s%s%.*s%s",
	    rate_text(v, up, r->client_rate),
	    rate_text(v, down, r->upstream_rate),
	    size_text(total, r->from_client + r->from_upstream),
	    age_text(age, r->age), (int)r->id.len, r->id.s, (int)who.len, who.s,
	    (int)r->target.len, r->target.len > 0 ? r->target.s : "",
	    r->rule.len > 0 ? " (" : "", (int)r->rule.len,
	    r->rule.len > 0 ? r->rule.s : "", r->rule.len > 0 ? ")" : "");
	put_line(v, row, out);
}

static void
put_head(const struct top_view *v, FILE *out)
{
	char line[256], up[SIZE_SIZE], down[SIZE_SIZE];
	uint64_t client = 0, upstream = 0;
	size_t i;

	for (i = 0; i < v->list->n; i++) {
		client += v->list->rows[i].client_rate;
		upstream += v->list->rows[i].upstream_rate;
	}
	snprintf(line, sizeof(line),
	    "%zu tunnel%s, %s/s up, %s/s down; sorted by %s", v->list->n,
	    v->list->n == 1 ? "" : "s", rate_text(v, up, client),
	    rate_text(v, down, upstream), top_order_name(v->by));
	put_line(v, line, out);
	if (v->columns > 0)
		put_line(v,
		    v->message != NULL ? v->message
				       : "keys: r rate, t total, a age, q quit",
		    out);
	put_line(v,
	    "   UP/S  DOWN/S   TOTAL     AGE  ID           CLIENT -> TARGET "
	    "(RULE)",
	    out);
}

void
top_view_text(const struct top_view *v, FILE *out)
{
	size_t i, most = v->list->n;

	if (v->lines > 0 && most + HEAD_LINES >= v->lines)
		most = v->lines > HEAD_LINES ? v->lines - HEAD_LINES - 1 : 0;
	if (v->columns > 0)
		fputs("\033[H", out);
	put_head(v, out);
	for (i = 0; i < most; i++)
		put_row(v, &v->list->rows[i], out);
	if (v->columns > 0)
		fputs("\033[J", out);
}

static void
put_bytes(struct json *j, const char *key, struct piece p)
{
	char text[ROW_SIZE];

	/* It is written as JSON's strings of ours are: ASCII alone. */
	if (p.len == 0)
		return;
	snprintf(text, sizeof(text), "%.*s", (int)p.len, p.s);
	json_string(j, key, text);
}

void
top_view_json(const struct top_view *v, FILE *out)
{
	const struct top_row *r;
	char object[OBJECT_SIZE];
	struct json j;
	size_t i;

	for (i = 0; i < v->list->n; i++) {
		r = &v->list->rows[i];
		json_init(&j, object, sizeof(object));
		put_bytes(&j, "tunnel", r->id);
		put_bytes(&j, "client", r->client);
		put_bytes(&j, "identity", r->identity);
		put_bytes(&j, "target", r->target);
		put_bytes(&j, "rule", r->rule);
		json_uint(&j, "rate_from_client", r->client_rate);
		json_uint(&j, "rate_from_upstream", r->upstream_rate);
		json_uint(&j, "bytes_from_client", r->from_client);
		json_uint(&j, "bytes_from_upstream", r->from_upstream);
		json_uint(&j, "age_ms", r->age);
		fprintf(out, "%.*s\n", (int)json_end(&j), object);
	}
}
