#include "common/conf_text.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/fd.h"

#define INCLUDE_DEPTH 10 /* libconfig's own */

/* A file that is being read, by the lexical rules of libconfig 1.5. */
struct scan {
	struct conf_errors *errors;
	const char *file;
	unsigned line;
	unsigned depth;
	const char *name; /* the last one seen, not NUL-terminated */
	size_t name_len;
};

static int scan_text(struct scan *, const char *at);

static bool
is_digit(char c)
{
	return (c >= '0' && c <= '9');
}

static bool
is_letter(char c)
{
	return ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'));
}

static void __attribute__((format(printf, 3, 4)))
scan_error(const struct scan *s, unsigned line, const char *fmt, ...)
{
	char name[64], text[256];
	va_list ap;

	snprintf(name, sizeof(name), "%.*s",
	    (int)(s->name_len < 60 ? s->name_len : 60), s->name);
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	conf_error(s->errors, s->file, line, name, "%s", text);
}

/*
 * libconfig 1.5 calls exit(3), through flex, where it cannot read what it has
 * opened, a directory for one; and it would wait for the writer of a pipe.
 */
static int
scan_file(struct scan *s, const char *path)
{
	struct scan inner = { .errors = s->errors, .file = path, .line = 1 };
	struct stat st;
	char *text;
	size_t len;
	int r;

	if (stat(path, &st) == 0 && !S_ISREG(st.st_mode)) {
		scan_error(s, s->line,
		    "\"%.128s\" is no file; name a file to include", path);
		return (-EINVAL);
	}
	r = fd_slurp(path, INT_MAX / 2, &text, &len);
	if (r == -ENOMEM)
		return (r);
	if (r != 0) {
		scan_error(s, s->line, "\"%.128s\" cannot be included: %s",
		    path, strerror(-r));
		return (-EINVAL);
	}
	inner.depth = s->depth + 1;
	inner.name = "@include";
	inner.name_len = strlen(inner.name);
	if (inner.depth > INCLUDE_DEPTH) {
		scan_error(s, s->line,
		    "includes are nested more than %d deep; include fewer",
		    INCLUDE_DEPTH);
		r = -EINVAL;
	} else {
		r = scan_text(&inner, text);
	}
	free(text);
	return (r);
}

/* at is behind the opening quote; *next becomes what is behind the other. */
static int
scan_include(struct scan *s, const char *at, const char **next)
{
	size_t len = strcspn(at, "\"\\\n");
	char *path;
	int r;

	*next = at + len;
	if (at[len] != '"') {
		scan_error(s, s->line,
		    "its file name does not end, or has a backslash; write "
		    "@include \"file\"");
		return (-EINVAL);
	}
	(*next)++;
	if (*at == '/') {
		scan_error(s, s->line,
		    "\"%.*s\" is absolute; write a path from %s on",
		    (int)(len < 128 ? len : 128), at, s->errors->dir);
		return (-EINVAL);
	}
	if (asprintf(&path, "%s/%.*s", s->errors->dir, (int)len, at) == -1)
		return (-ENOMEM);
	r = scan_file(s, path);
	free(path);
	return (r);
}

/* Is there an @include at the beginning of a line? NULL: no. */
static const char *
match_include(const char *at)
{
	size_t blanks;

	at += strspn(at, " \t");
	if (strncmp(at, "@include", strlen("@include")) != 0)
		return (NULL);
	at += strlen("@include");
	blanks = strspn(at, " \t");
	if (blanks == 0 || at[blanks] != '"')
		return (NULL);
	return (at + blanks + 1);
}

/* libconfig 1.5 drops a NUL byte without a word. */
static const char *
scan_string(struct scan *s, const char *at)
{
	const unsigned line = s->line;

	for (at++; *at != '\0' && *at != '"'; at++) {
		if (*at == '\n')
			s->line++;
		if (*at != '\\' || at[1] == '\0')
			continue;
		at++;
		if (*at == '\n')
			s->line++;
		if (strncmp(at, "x00", 3) == 0)
			scan_error(
			    s, s->line, "has a NUL byte, \\x00; leave it out");
	}
	if (*at == '\0')
		scan_error(s, line, "its string does not end; write a quote");
	return (*at == '"' ? at + 1 : at);
}

/* libconfig takes the end of the file for the end of the comment, too. */
static const char *
scan_comment(struct scan *s, const char *at)
{
	const unsigned line = s->line;

	for (at += 2; *at != '\0'; at++) {
		if (*at == '\n')
			s->line++;
		if (at[0] == '*' && at[1] == '/')
			return (at + 2);
	}
	conf_error(s->errors, s->file, line, "/*",
	    "this comment does not end; write */ at its end");
	return (at);
}

/* libconfig 1.5 wraps numbers to 32 bits, or 64 where they end with L. */
static const char *
scan_number(struct scan *s, const char *at)
{
	bool hex = at[0] == '0' && (at[1] == 'x' || at[1] == 'X');
	unsigned long long value, most = INT32_MAX;
	size_t len = 0;
	char *end;

	while (is_digit(at[len]) || is_letter(at[len]))
		len++;
	errno = 0;
	value = strtoull(at, &end, hex ? 16 : 10);
	if (*end == 'L')
		most = INT64_MAX;
	if (*end == '.' || *end == 'e' || *end == 'E')
		return (at + len);
	if (errno == ERANGE || value > INT64_MAX)
		scan_error(s, s->line,
		    "%.*s is too large to be read; write a smaller number",
		    (int)(len < 64 ? len : 64), at);
	else if (value > most)
		scan_error(s, s->line,
		    "%.*s is too large to be read; write a smaller number, or "
		    "%.*sL",
		    (int)len, at, (int)len, at);
	return (at + len);
}

static const char *
scan_name(struct scan *s, const char *at)
{
	s->name = at;
	while (is_letter(*at) || is_digit(*at) || *at == '*' || *at == '-' ||
	       *at == '_')
		at++;
	s->name_len = at - s->name;
	return (at);
}

/* A byte that begins nothing is skipped. */
static const char *
scan_token(struct scan *s, const char *at)
{
	if (*at == '"')
		return (scan_string(s, at));
	if (at[0] == '/' && at[1] == '*')
		return (scan_comment(s, at));
	if (*at == '#' || (at[0] == '/' && at[1] == '/'))
		return (at + strcspn(at, "\n"));
	if (is_digit(*at))
		return (scan_number(s, at));
	if (is_letter(*at) || *at == '*')
		return (scan_name(s, at));
	return (at + 1);
}

/* 0; -EINVAL: libconfig must not read this; -ENOMEM. */
static int
scan_text(struct scan *s, const char *at)
{
	const char *include = match_include(at);
	int r;

	while (*at != '\0' || include != NULL) {
		if (include != NULL) {
			s->name = "@include";
			s->name_len = strlen(s->name);
			r = scan_include(s, include, &at);
			if (r != 0)
				return (r);
			include = NULL;
		} else if (*at == '\n') {
			s->line++;
			include = match_include(++at);
		} else {
			at = scan_token(s, at);
		}
	}
	return (0);
}

int
conf_text_check(struct conf_errors *errors, const char *text)
{
	struct scan s = { .errors = errors, .file = errors->file, .line = 1 };

	s.name = "text";
	s.name_len = strlen(s.name);
	return (scan_text(&s, text));
}
