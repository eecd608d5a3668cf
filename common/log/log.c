/*
 * Writes the lines of the error log: it composes and escapes them, and limits
 * the rate of those that peers can cause.
 */
#include "common/log/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/log/sink.h"

#define WHO_MAX	 24
#define WHO_SIZE (WHO_MAX + sizeof("[-2147483648]"))
#define CUT_MARK "..."

struct log {
	struct sink *sink;
	enum log_level level;
	char who[WHO_SIZE]; /* with the process id */
	uint64_t lost;	    /* lines that the sink dropped, not yet told */
};

int
log_new(
    struct log **log, struct sink *sink, enum log_level level, const char *who)
{
	struct log *l;

	l = calloc(1, sizeof(*l));
	if (l == NULL)
		return (-ENOMEM);
	l->sink = sink;
	l->level = level;
	log_name(l, who);
	*log = l;
	return (0);
}

void
log_free(struct log *l)
{
	free(l);
}

void
log_name(struct log *l, const char *who)
{
	snprintf(
	    l->who, sizeof(l->who), "%.*s[%d]", WHO_MAX, who, (int)getpid());
	/* What was lost before a fork is the parent's to tell. */
	l->lost = 0;
}

struct sink *
log_sink(struct log *l)
{
	return (l->sink);
}

enum log_level
log_level(const struct log *l)
{
	return (l->level);
}

static const char *
log_level_name(enum log_level level)
{
	static const char *const names[] = {
		[LOG_LEVEL_ERROR] = "error",
		[LOG_LEVEL_WARNING] = "warning",
		[LOG_LEVEL_NOTICE] = "notice",
		[LOG_LEVEL_INFO] = "info",
		[LOG_LEVEL_DEBUG] = "debug",
	};

	return (names[level]);
}

/* As in syslog(3), whose macros would clash with the levels' names. */
static int
severity(enum log_level level)
{
	return (3 + (int)level);
}

/*
 * Appends text at line[len], escaped so that no peer's byte can start a new
 * line or talk to a terminal. Keeps room for the mark and the newline;
 * returns the new length.
 */
static size_t
escape(char line[SINK_LINE_MAX], size_t len, const char *text, bool cut)
{
	static const char hex[] = "0123456789abcdef";
	const size_t limit = SINK_LINE_MAX - strlen(CUT_MARK) - 1;
	const unsigned char *p;
	size_t need;

	for (p = (const unsigned char *)text; *p != '\0'; p++) {
		need = *p >= 0x20 && *p < 0x7f ? 1 : 4;
		if (len + need > limit) {
			cut = true;
			break;
		}
		if (need == 1) {
			line[len++] = (char)*p;
			continue;
		}
		line[len++] = '\\';
		line[len++] = 'x';
		line[len++] = hex[*p >> 4];
		line[len++] = hex[*p & 15];
	}
	if (cut) {
		memcpy(line + len, CUT_MARK, strlen(CUT_MARK));
		len += strlen(CUT_MARK);
	}
	return (len);
}

static int
put(struct log *l, enum log_level level, const char *text, bool cut)
{
	char line[SINK_LINE_MAX], stamp[CLOCK_TEXT_SIZE];
	size_t len;
	int n;

	clock_format(stamp, clock_wall());
	n = snprintf(line, sizeof(line), "%s %s %s: ", stamp,
	    log_level_name(level), l->who);
	len = escape(line, (size_t)n, text, cut);
	line[len++] = '\n';
	return (sink_write(l->sink, severity(level), line, len));
}

/* Says how many lines are missing, in the place where they are missing. */
static void
put_lost(struct log *l)
{
	char text[128];

	l->lost += sink_take_dropped(l->sink);
	if (l->lost == 0)
		return;
	snprintf(text, sizeof(text), "error log: %" PRIu64 " line%s lost: %s",
	    l->lost, l->lost == 1 ? "" : "s", sink_trouble(l->sink));
	if (put(l, LOG_LEVEL_WARNING, text, false) == 0)
		l->lost = 0;
	else
		/* This line is none of those to be counted. */
		(void)sink_take_dropped(l->sink);
}

static void __attribute__((format(printf, 3, 0))) write_va(struct log *l,
    enum log_level level, const char *fmt, va_list ap, uint64_t left_out)
{
	char text[SINK_LINE_MAX];
	int n;

	n = vsnprintf(text, sizeof(text), fmt, ap);
	if (n < 0) /* a format of ours that libc refuses is still a line */
		n = snprintf(text, sizeof(text), "%s", fmt);
	put_lost(l);
	if (left_out > 0 && (size_t)n < sizeof(text))
		n += snprintf(text + n, sizeof(text) - (size_t)n,
		    " (%" PRIu64 " more left out)", left_out);
	(void)put(l, level, text, (size_t)n >= sizeof(text));
}

void
log_write(struct log *l, enum log_level level, const char *fmt, ...)
{
	int saved = errno;
	va_list ap;

	if (level > l->level)
		return;
	va_start(ap, fmt);
	write_va(l, level, fmt, ap, 0);
	va_end(ap);
	errno = saved;
}

bool
log_due(const struct log *l, struct log_rate *state, enum log_level level)
{
	if (level > l->level)
		return (false);
	if (state->next == 0 || clock_now() >= state->next)
		return (true);
	state->left_out++;
	return (false);
}

void
log_write_rate(struct log *l, struct log_rate *state, enum log_level level,
    const char *fmt, ...)
{
	int saved = errno;
	va_list ap;

	if (!log_due(l, state, level))
		return;
	va_start(ap, fmt);
	write_va(l, level, fmt, ap, state->left_out);
	va_end(ap);
	state->next = clock_now() + CLOCK_SEC;
	state->left_out = 0;
	errno = saved;
}
