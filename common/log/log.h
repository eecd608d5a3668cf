/* The error log: object first, action, cause; one line is one write. */
#ifndef COMMON_LOG_LOG_H
#define COMMON_LOG_LOG_H

#include <stdbool.h>
#include <stdint.h>

enum log_level {
	LOG_LEVEL_ERROR,   /* somebody must act */
	LOG_LEVEL_WARNING, /* service goes on, but not as configured */
	LOG_LEVEL_NOTICE,  /* starts, reloads, stops */
	LOG_LEVEL_INFO,	   /* workers, listeners, limits reached */
	LOG_LEVEL_DEBUG	   /* every step of every tunnel */
};

struct log;
struct sink;

/*
 * Borrows the sink, which must outlive the log. Every line has the text who,
 * such as "master" or "worker 3", and the process id; both are kept, and
 * log_name() changes them: a child that logs calls it. 0 or -ENOMEM.
 */
int log_new(struct log **, struct sink *, enum log_level, const char *who);
void log_free(struct log *);
void log_name(struct log *, const char *who);
struct sink *log_sink(struct log *);
enum log_level log_level(const struct log *);

/*
 * 2026-11-23T06:12:42.123Z warning worker 3[1234]: listener 0.0.0.0:8443: ...
 * Control bytes are escaped, the line is cut at SINK_LINE_MAX. Never fails.
 */
void log_write(struct log *, enum log_level, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/*
 * For lines that peers can cause: writes at most one a second for each state.
 * The next line tells how many were left out. state is owned by the caller and
 * begins as zeros.
 */
struct log_rate {
	int64_t next;
	uint64_t left_out;
};

/* May one be written now? Else it need not be put together; it is counted as
 * left out, if lines of its level are written at all. */
bool log_due(const struct log *, struct log_rate *state, enum log_level);

void log_write_rate(struct log *, struct log_rate *state, enum log_level,
    const char *fmt, ...) __attribute__((format(printf, 4, 5)));

#endif
