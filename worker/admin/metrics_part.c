/* Writes samples in the text format of Prometheus. */
#include "worker/admin/metrics_part.h"

#include "common/base/clock.h"

void
metrics_value(struct metrics *m, const char *name, uint64_t value)
{
	text_puts(m->out, name);
	text_add(m->out, " ", 1);
	text_uint(m->out, value);
	text_add(m->out, "\n", 1);
}

/* The text format has three escapes. What is not ASCII is written as in the
 * audit log, since a value must be UTF-8. */
static void
put_escaped(struct text *out, unsigned char c)
{
	if (c == '\\' || c == '"')
		text_put(out, "\\%c", c);
	else
		text_put(out, "\\\\x%02x", c);
}

static bool
is_plain(char c)
{
	return (c >= ' ' && c <= '~' && c != '"' && c != '\\');
}

void
metrics_label(
    struct metrics *m, const char *name, const char *label, const char *value)
{
	const char *from = value, *at;

	text_puts(m->out, name);
	text_add(m->out, "{", 1);
	text_puts(m->out, label);
	text_add(m->out, "=\"", 2);
	for (at = value; *at != '\0' && at - value < METRICS_LABEL_MAX; at++) {
		if (is_plain(*at))
			continue;
		text_add(m->out, from, (size_t)(at - from));
		put_escaped(m->out, (unsigned char)*at);
		from = at + 1;
	}
	text_add(m->out, from, (size_t)(at - from));
	text_add(m->out, "\"", 1);
}

void
metrics_more(struct metrics *m, const char *label, const char *value)
{
	text_add(m->out, ",", 1);
	text_puts(m->out, label);
	text_add(m->out, "=\"", 2);
	text_puts(m->out, value);
	text_add(m->out, "\"", 1);
}

void
metrics_end(struct metrics *m, uint64_t value)
{
	text_add(m->out, "} ", 2);
	text_uint(m->out, value);
	text_add(m->out, "\n", 1);
}

void
metrics_end_time(struct metrics *m, uint64_t ns)
{
	text_put(m->out, "} %llu.%03u\n", (unsigned long long)(ns / CLOCK_SEC),
	    (unsigned)(ns / CLOCK_MSEC % 1000));
}
