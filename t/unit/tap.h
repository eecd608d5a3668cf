/* Test Anything Protocol for unit tests in C: ok(), is_*(), done_testing(). */
#ifndef T_UNIT_TAP_H
#define T_UNIT_TAP_H

#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static int tap_run, tap_failed;

static inline bool __attribute__((format(printf, 4, 5)))
tap_ok(bool pass, const char *file, int line, const char *fmt, ...)
{
	va_list ap;

	tap_run++;
	if (!pass)
		tap_failed++;
	printf("%sok %d - ", pass ? "" : "not ", tap_run);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
	if (!pass)
		printf("#   at %s:%d\n", file, line);
	fflush(stdout);
	return (pass);
}

static inline bool
tap_is_int(
    int64_t got, int64_t want, const char *file, int line, const char *name)
{
	bool pass = tap_ok(got == want, file, line, "%s", name);

	if (!pass)
		printf("#   got %" PRId64 ", want %" PRId64 "\n", got, want);
	return (pass);
}

static inline bool
tap_is_str(const char *got, const char *want, const char *file, int line,
    const char *name)
{
	bool same = got == want ||
		    (got != NULL && want != NULL && strcmp(got, want) == 0);
	bool pass = tap_ok(same, file, line, "%s", name);

	if (!pass)
		printf("#   got  '%s'\n#   want '%s'\n", got ? got : "(null)",
		    want ? want : "(null)");
	return (pass);
}

/* ok(condition, "what a user could name", ...) */
#define ok(pass, ...) tap_ok((pass), __FILE__, __LINE__, __VA_ARGS__)
#define is_int(got, want, name) \
	tap_is_int((got), (want), __FILE__, __LINE__, (name))
#define is_str(got, want, name) \
	tap_is_str((got), (want), __FILE__, __LINE__, (name))

/* Prints the plan; the value is main()'s exit status. */
static inline int
done_testing(void)
{
	printf("1..%d\n", tap_run);
	return (tap_failed != 0);
}

#endif
