/*
 * Walks through the configuration and the files that it includes, and looks
 * for what libconfig would pass over, or would not survive.
 */
#include "common/conf/text.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "common/base/fd.h"
#include "common/conf/fault.h"

#define INCLUDE_DEPTH 10 /* libconfig's own */

/* All files. */
struct walk {
	struct conf_text *text;
	struct conf_errors *errors;
	struct conf_syntax syntax;
	unsigned nfiles;
	char *suspect_file; /* of syntax.suspect; owned */
	bool refused;	    /* something that libconfig must not read */
	bool stopped;	    /* what comes next is not to be judged */
};

/* One of them. */
struct scan {
	struct walk *walk;
	const char *file;
	unsigned number, depth;
	unsigned name_line; /* of the last name */
};

static int scan_text(struct scan *, const char *text);

/*
 * libconfig 1.5 calls exit(3), through flex, where it cannot read what it has
 * opened, a directory for one; and it would wait for the writer of a pipe.
 */
static int
scan_file(struct scan *s, unsigned line, const char *path)
{
	struct scan inner = { s->walk, path, 0, s->depth + 1, 0 };
	struct stat st;
	char *text;
	size_t len;
	int r;

	if (inner.depth > INCLUDE_DEPTH) {
		conf_error(s->walk->errors, s->file, line, "@include",
		    "includes are nested more than %d deep; does a file "
		    "include itself?",
		    INCLUDE_DEPTH);
		return (-EINVAL);
	}
	r = stat(path, &st) != 0 ? -errno : S_ISREG(st.st_mode) ? 0 : -EISDIR;
	if (r == 0)
		r = fd_slurp(path, INT_MAX / 2, &text, &len);
	if (r == -ENOMEM)
		return (r);
	if (r != 0) {
		s->walk->refused = true;
		conf_error(s->walk->errors, s->file, line, "@include",
		    "\"%.128s\" cannot be included: %s", path,
		    r == -EISDIR ? "it is not a file" : fd_slurp_text(r));
		return (0);
	}
	inner.number = ++s->walk->nfiles;
	if (strlen(text) == len) {
		r = scan_text(&inner, text);
	} else {
		s->walk->refused = true;
		conf_error(s->walk->errors, s->file, line, "@include",
		    "\"%.128s\" contains a NUL byte; save it as plain text, "
		    "in UTF-8",
		    path);
	}
	free(text);
	return (r);
}

static int
scan_include(struct scan *s, const struct conf_token *t)
{
	size_t len;
	const char *name = conf_lex_include(t, &len);
	char *path;
	int r;

	if (*name == '/') {
		s->walk->refused = true;
		conf_error(s->walk->errors, s->file, t->line, "@include",
		    "\"%.*s\" is absolute; write a path from %s on",
		    (int)(len < 128 ? len : 128), name, s->walk->errors->dir);
		return (0);
	}
	if (asprintf(&path, "%s/%.*s", s->walk->errors->dir, (int)len, name) ==
	    -1)
		return (-ENOMEM);
	r = scan_file(s, t->line, path);
	free(path);
	return (r);
}

static void __attribute__((format(printf, 3, 4)))
report(const struct scan *s, unsigned line, const char *fmt, ...)
{
	char setting[CONF_SYNTAX_PATH], text[256];
	va_list ap;

	conf_fault_path(&s->walk->syntax, setting);
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	conf_error(s->walk->errors, s->file, line, setting, "%s", text);
}

/* libconfig 1.5 drops a NUL byte without a word; and strings of a list that no
 * comma parts are one to any version. */
static void
check_string(const struct scan *s, const struct conf_token *t)
{
	const char *at = t->at + 1, *end = t->at + t->len - 1;
	unsigned line = t->line;

	if (s->walk->syntax.joined) {
		s->walk->refused = true;
		report(s, line,
		    "found %.*s after another string; write a comma between "
		    "them",
		    (int)(t->len < 64 ? t->len : 64), t->at);
	}
	for (; at < end; at++) {
		line += *at == '\n';
		if (*at != '\\')
			continue;
		at++;
		if (strncasecmp(at, "x00", 3) == 0)
			report(s, line,
			    "contains a NUL byte, \\x00; leave it out");
		line += *at == '\n';
	}
}

static int
add_number(struct scan *s, int64_t value, bool reported)
{
	struct conf_text *text = s->walk->text;
	struct conf_number *list;

	list = realloc(text->numbers, (text->nnumbers + 1) * sizeof(*list));
	if (list == NULL)
		return (-ENOMEM);
	text->numbers = list;
	list += text->nnumbers;
	*list = (struct conf_number){ strdup(s->file), s->name_line, value,
		reported, false };
	if (list->file == NULL)
		return (-ENOMEM);
	text->nnumbers++;
	return (0);
}

/*
 * libconfig 1.5 wraps numbers to 32 bits, or 64 where they end with L; and
 * later versions take one that begins with 0 for octal.
 */
static int
check_number(struct scan *s, const struct conf_token *t)
{
	bool minus = t->at[0] == '-', hex;
	const char *at = t->at + (minus || t->at[0] == '+');
	int shown = t->len < 64 ? (int)t->len : 64;
	unsigned long long most = INT64_MAX, size;
	char *end;

	hex = at[0] == '0' && (at[1] == 'x' || at[1] == 'X');
	errno = 0;
	size = strtoull(at, &end, hex ? 16 : 10);
	if (!hex && at[0] == '0' && end > at + 1) {
		report(s, t->line, "%.*s begins with 0; write %s%llu", shown,
		    t->at, minus ? "-" : "", size);
		return (add_number(s, 0, true));
	}
	if (errno == ERANGE || size > most) {
		report(s, t->line, "%.*s is out of bounds; write a %s number",
		    shown, t->at, minus ? "larger" : "smaller");
		return (add_number(s, 0, true));
	}
	if (t->kind == CONF_TOKEN_INT64 || size <= INT32_MAX)
		return (0);
	return (add_number(s, minus ? -(int64_t)size : (int64_t)size, false));
}

static int
check_token(struct scan *s, const struct conf_token *t)
{
	switch (t->kind) {
	case CONF_TOKEN_OPEN_STRING:
	case CONF_TOKEN_OPEN_INCLUDE:
		s->walk->refused = true;
		return (0);
	default:
		break;
	}
	if (s->walk->stopped)
		return (0);
	switch (t->kind) {
	case CONF_TOKEN_NAME:
		s->name_line = t->line;
		return (0);
	case CONF_TOKEN_STRING:
		check_string(s, t);
		return (0);
	case CONF_TOKEN_INT:
	case CONF_TOKEN_INT64:
		return (check_number(s, t));
	case CONF_TOKEN_OPEN_COMMENT:
		s->walk->stopped = true;
		conf_error(s->walk->errors, s->file, t->line, "/*",
		    "found a comment that does not end; write */ at its end");
		return (0);
	default:
		return (0);
	}
}

/* Notes the file of the first fault; what follows may be misunderstood. */
static int
take_token(struct scan *s, const struct conf_token *t)
{
	struct walk *w = s->walk;

	if (w->stopped)
		return (0);
	if (t->kind == CONF_TOKEN_END && s->depth > 0)
		conf_syntax_end_file(&w->syntax, s->number);
	else
		conf_syntax_take(&w->syntax, t, s->number);
	if (w->syntax.suspect.line != 0 && w->suspect_file == NULL) {
		w->suspect_file = strdup(s->file);
		if (w->suspect_file == NULL)
			return (-ENOMEM);
	}
	if (w->syntax.fault.line == 0)
		return (0);
	w->stopped = true;
	w->text->fault = w->syntax.fault;
	w->text->fault_file =
	    strdup(w->suspect_file != NULL ? w->suspect_file : s->file);
	return (w->text->fault_file != NULL ? 0 : -ENOMEM);
}

/* 0, -EINVAL, -ENOMEM, or as pause_step(). */
static int
scan_text(struct scan *s, const char *text)
{
	struct conf_token t;
	struct conf_lex lex;
	int r;

	conf_lex_init(&lex, text);
	do {
		conf_lex_next(&lex, &t);
		/* What is included comes before what follows. */
		r = t.kind == CONF_TOKEN_INCLUDE ? scan_include(s, &t) : 0;
		if (r == 0)
			r = take_token(s, &t);
		if (r == 0)
			r = check_token(s, &t);
		if (r == 0)
			r = pause_step(s->walk->errors->pause);
	} while (r == 0 && t.kind != CONF_TOKEN_END);
	return (r);
}

static void
report_fault(const struct conf_text *t, struct conf_errors *errors)
{
	if (t->fault.line != 0)
		conf_error(errors, t->fault_file, t->fault.line,
		    t->fault.setting, "%s", t->fault.text);
}

int
conf_text_check(
    struct conf_text *t, struct conf_errors *errors, const char *text)
{
	struct walk w = { .text = t, .errors = errors };
	struct scan s = { .walk = &w, .file = errors->file };
	int r;

	*t = (struct conf_text){ .nnumbers = 0 };
	conf_syntax_init(&w.syntax);
	r = scan_text(&s, text);
	if (r == 0 && w.refused)
		r = -EINVAL;
	if (r == -EINVAL)
		report_fault(t, errors);
	free(w.suspect_file);
	return (r);
}

void
conf_text_fini(struct conf_text *t)
{
	size_t i;

	for (i = 0; i < t->nnumbers; i++)
		free(t->numbers[i].file);
	free(t->numbers);
	free(t->fault_file);
}

void
conf_text_refused(
    const struct conf_text *t, struct conf_errors *errors, const config_t *tree)
{
	if (t->fault.line != 0)
		report_fault(t, errors);
	else if (errors->count == 0)
		conf_error_syntax(errors, tree);
}

bool
conf_text_number(
    struct conf_text *t, const char *file, unsigned line, int64_t *value)
{
	struct conf_number *n;
	size_t i;

	for (i = 0; i < t->nnumbers; i++) {
		n = &t->numbers[i];
		if (n->used || n->line != line || strcmp(n->file, file) != 0)
			continue;
		if (n->reported)
			return (false);
		if ((uint32_t)n->value != (uint32_t)*value)
			continue;
		n->used = true;
		*value = n->value;
		return (true);
	}
	return (true);
}
