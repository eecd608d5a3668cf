/*
 * How a token is called in a message, which bytes have no place in a file, and
 * what looks wrong before it is.
 */
#include "common/conf/fault.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <libconfig.h>

#include "common/conf/table.h"

#define SHOWN 48 /* bytes of a token */

void
conf_fault_path(const struct conf_syntax *s, char buf[CONF_SYNTAX_PATH])
{
	size_t i, len = 0;

	buf[0] = '\0';
	for (i = 0; i <= s->depth && len < CONF_SYNTAX_PATH; i++)
		if (s->frames[i].name[0] != '\0')
			len += snprintf(buf + len, CONF_SYNTAX_PATH - len,
			    "%s%s", len > 0 ? "." : "", s->frames[i].name);
}

static void __attribute__((format(printf, 4, 0))) fill(struct conf_fault *fault,
    const struct conf_syntax *s, unsigned line, const char *fmt, va_list ap)
{
	fault->line = line;
	conf_fault_path(s, fault->setting);
	vsnprintf(fault->text, sizeof(fault->text), fmt, ap);
}

void
conf_fault_say(struct conf_syntax *s, unsigned line, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fill(&s->fault, s, line, fmt, ap);
	va_end(ap);
}

static void __attribute__((format(printf, 3, 4)))
suspect(struct conf_syntax *s, unsigned line, const char *fmt, ...)
{
	va_list ap;

	if (s->suspect.line != 0)
		return;
	va_start(ap, fmt);
	fill(&s->suspect, s, line, fmt, ap);
	va_end(ap);
}

unsigned
conf_fault_line(const struct conf_spot *where, const struct conf_spot *t)
{
	return (where->file == t->file && where->token.line != 0
		    ? where->token.line
		    : t->token.line);
}

bool
conf_fault_glued(const struct conf_spot *a, const struct conf_spot *b)
{
	return (a->file == b->file && a->token.at != NULL &&
		a->token.at + a->token.len == b->token.at);
}

static bool
is_digit(char c)
{
	return (c >= '0' && c <= '9');
}

bool
conf_fault_is_number(const struct conf_spot *t)
{
	return (t->token.kind == CONF_TOKEN_INT ||
		t->token.kind == CONF_TOKEN_INT64 ||
		t->token.kind == CONF_TOKEN_FLOAT);
}

static bool
takes_number(const struct conf_syntax *s)
{
	char path[CONF_SYNTAX_PATH], *name = path, *dot;
	const struct conf_directive *d = NULL;
	const char *section = "";
	int i;

	conf_fault_path(s, path);
	dot = strrchr(path, '.');
	if (dot != NULL) {
		*dot = '\0';
		section = path;
		name = dot + 1;
	}
	for (i = 0; i < CONF_SECTIONS && d == NULL; i++)
		if (strcmp(conf_section_path(i), section) == 0)
			d = conf_find(i, name);
	return (d != NULL && d->shape == CONF_ONE &&
		conf_kind(d)->raw == CONFIG_TYPE_INT);
}

/* "100k", "100_000": digits, with underscores between them, and thousands. */
const char *
conf_fault_number(const struct conf_syntax *s, const struct conf_spot *t,
    const char *otherwise, char buf[CONF_FAULT_ADVICE])
{
	const char *at = t->token.at;
	char digits[16];
	size_t n = 0;

	if (!takes_number(s))
		return (otherwise);
	for (; n < sizeof(digits) && (is_digit(*at) || *at == '_'); at++)
		if (*at != '_')
			digits[n++] = *at;
	if (n == 0 || n == sizeof(digits) || *at == '.' ||
	    (digits[0] == '0' && n == 1))
		return ("write a whole number");
	snprintf(buf, CONF_FAULT_ADVICE, "write the number alone: %.*s%s",
	    (int)n, digits,
	    *at == 'k' || *at == 'K'   ? "000"
	    : *at == 'm' || *at == 'M' ? "000000"
				       : "");
	return (buf);
}

bool
conf_fault_begins(const struct conf_spot *t, const char *bytes)
{
	return (strncmp(t->token.at, bytes, strlen(bytes)) == 0);
}

char
conf_fault_closing(char c)
{
	return (c == '(' ? ')' : c == '[' ? ']' : '}');
}

/* How many bytes up to one of these can be shown as they are, UTF-8 too. */
static int
shown(const char *s, const char *ends)
{
	int len = 0;

	while (len < SHOWN && (unsigned char)s[len] >= ' ' &&
	       s[len] != '\x7f' && strchr(ends, s[len]) == NULL)
		len++;
	return (len);
}

/* Words such as 10.0.0.0/8 and https://a.example are more than a token. */
const char *
conf_fault_word(const struct conf_spot *t, char buf[CONF_FAULT_WORD])
{
	int len = shown(t->token.at, " ,;=()[]{}\"'#");

	while (len > 1 && t->token.at[len - 1] == ':')
		len--;
	if (len == 0)
		len = 1;
	snprintf(buf, CONF_FAULT_WORD, "\"%.*s\"", len, t->token.at);
	return (buf);
}

const char *
conf_fault_found(const struct conf_spot *t, char buf[CONF_FAULT_WORD])
{
	const char *inside = t->token.at + 1;

	switch (t->token.kind) {
	case CONF_TOKEN_END:
		return ("the end of the file");
	case CONF_TOKEN_STRING:
		snprintf(buf, CONF_FAULT_WORD, "the string \"%.*s\"",
		    shown(inside, "\""), inside);
		return (buf);
	default:
		return (conf_fault_word(t, buf));
	}
}

/* Those of English, in UTF-8 U+2018 to U+201F, and those of French. */
static bool
is_quote(const struct conf_spot *t)
{
	const unsigned char *at = (const void *)t->token.at;

	return (conf_fault_begins(t, "'") || conf_fault_begins(t, "`") ||
		conf_fault_begins(t, "\xc2\xab") ||
		conf_fault_begins(t, "\xc2\xbb") ||
		(conf_fault_begins(t, "\xe2\x80") && at[2] >= 0x98 &&
		    at[2] <= 0x9f));
}

bool
conf_fault_byte(struct conf_syntax *s, const struct conf_spot *t)
{
	unsigned line = t->token.line;
	unsigned char c = *t->token.at;

	if (conf_fault_begins(t, "\xef\xbb\xbf"))
		conf_fault_say(s, line,
		    "found a byte order mark; save the file as UTF-8 without "
		    "one");
	else if (is_quote(t))
		conf_fault_say(s, line,
		    "found a quote of another kind; write strings in straight "
		    "double quotes, \"...\"");
	else if (conf_fault_begins(t, "\xc2\xa0"))
		conf_fault_say(s, line,
		    "found a no-break space; write a plain space instead");
	else if (c >= 0x80)
		conf_fault_say(s, line,
		    "found a character that is not ASCII (byte 0x%02x); write "
		    "it only in strings and comments",
		    c);
	else if (c < ' ' || c == 0x7f)
		conf_fault_say(s, line,
		    "found a control character (byte 0x%02x); leave it out", c);
	else if (c == '@')
		conf_fault_say(s, line,
		    "found \"@\"; write @include \"file\" at the beginning of "
		    "a line, with double quotes");
	else
		return (false);
	return (true);
}

void
conf_fault_suspect_string(struct conf_syntax *s, const struct conf_spot *t)
{
	suspect(s, t->token.line,
	    "found a string that does not end on its line; write a quote at "
	    "its end");
}

void
conf_fault_suspect_close(struct conf_syntax *s, const struct conf_spot *t)
{
	suspect(s, t->token.line,
	    "found \"%c\", but no bracket is open in this file; leave it out",
	    *t->token.at);
}

void
conf_fault_suspect_open(struct conf_syntax *s)
{
	const struct conf_frame *f = &s->frames[s->depth];

	suspect(s, f->line,
	    "found the end of the file, but the \"%c\" here is not closed; "
	    "write \"%c\" where it ends",
	    f->bracket, conf_fault_closing(f->bracket));
}
