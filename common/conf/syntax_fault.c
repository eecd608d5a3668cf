/* The words for each fault of syntax: what was found, and what to write. */
#include "common/conf/syntax_fault.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "common/conf/fault.h"

static struct conf_frame *
frame(struct conf_syntax *s)
{
	return (&s->frames[s->depth]);
}

/* "name =": the beginning of a setting. */
static bool
is_setting(const struct conf_spot *t)
{
	const char *at = t->token.at + t->token.len;

	if (t->token.kind != CONF_TOKEN_NAME)
		return (false);
	at += strspn(at, " \t");
	return (*at == '=' || (*at == ':' && at[1] != '/'));
}

static bool
is_yaml(const struct conf_spot *t)
{
	return (conf_fault_begins(t, "- ") || conf_fault_begins(t, "---"));
}

/* " in line 3", where that is another one than here. */
static const char *
in_line(unsigned line, unsigned here, char buf[32])
{
	buf[0] = '\0';
	if (line != here)
		snprintf(buf, 32, " in line %u", line);
	return (buf);
}

/* The bracket at hand should have been closed before this. */
static void
refuse_unclosed(struct conf_syntax *s, const struct conf_spot *t)
{
	bool in_place = t->token.kind == CONF_TOKEN_SEMICOLON;
	unsigned line = conf_fault_line(in_place ? t : &s->last[0], t);
	const struct conf_frame *f = frame(s);
	char what[CONF_FAULT_WORD], opened[32], follows[32];

	if (f->file == t->file)
		in_line(f->line, line, opened);
	else
		snprintf(opened, sizeof(opened), " in another file");
	conf_fault_say(s, line,
	    "found %s%s, but the \"%c\"%s is not closed; write \"%c\" before "
	    "it",
	    conf_fault_found(t, what), in_line(t->token.line, line, follows),
	    f->bracket, opened, conf_fault_closing(f->bracket));
}

static void
refuse_end(struct conf_syntax *s, const struct conf_spot *t)
{
	struct conf_frame *f = frame(s);

	f->name[0] = '\0';
	conf_fault_say(s, f->file == t->file ? f->line : t->token.line,
	    "found the end of the file, but the \"%c\" here is not closed; "
	    "write \"%c\" where it ends",
	    f->bracket, conf_fault_closing(f->bracket));
}

/* Brackets that are not closed, or were not opened. Is it that? */
static bool
refuse_bracket(struct conf_syntax *s, const struct conf_spot *t)
{
	bool open = frame(s)->bracket != '\0';

	if (open && t->token.kind == CONF_TOKEN_END)
		refuse_end(s, t);
	else if (open && t->token.kind == CONF_TOKEN_CLOSE)
		refuse_unclosed(s, t);
	else if (t->token.kind == CONF_TOKEN_CLOSE)
		conf_fault_say(s, t->token.line,
		    "found \"%c\", but no bracket is open; leave it out",
		    *t->token.at);
	else
		return (false);
	return (true);
}

/* Found where a setting could begin. */
static void
refuse_setting(struct conf_syntax *s, const struct conf_spot *t)
{
	enum conf_token_kind kind = t->token.kind;
	const char *hint = "write name = value;";
	char what[CONF_FAULT_WORD];

	if (s->after_include)
		hint = "leave out what follows @include \"file\"";
	else if (kind == CONF_TOKEN_SEMICOLON || kind == CONF_TOKEN_COMMA)
		hint = "leave it out";
	else if (kind == CONF_TOKEN_STRING)
		hint = "write names without quotes";
	else if (kind == CONF_TOKEN_OPEN && *t->token.at == '[')
		hint = "write a group as name = { ... };";
	else if (kind == CONF_TOKEN_OPEN && s->depth == 0)
		hint = "the file as a whole has no brackets around it";
	else if (is_yaml(t))
		hint = "this is not YAML: write a list as name = ( ..., ... );";
	if (kind == CONF_TOKEN_OPEN && *t->token.at == '{' && s->depth > 0)
		refuse_unclosed(s, t);
	else
		conf_fault_say(s, t->token.line,
		    "found %s, expected the name of a setting; %s",
		    conf_fault_found(t, what), hint);
}

/* "tls.min_version = ..." */
static void
refuse_dot(
    struct conf_syntax *s, const struct conf_spot *name, const char *inner)
{
	size_t len = strspn(
	    inner, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_-");
	char what[CONF_FAULT_WORD];

	conf_fault_say(s, name->token.line,
	    "found %s, but a name has no dot; write %s = { %.*s = value; };",
	    conf_fault_word(name, what), frame(s)->name,
	    len > 0 && len < CONF_SYNTAX_NAME ? (int)len : 4,
	    len > 0 && len < CONF_SYNTAX_NAME ? inner : "name");
}

/* Found behind the name of a setting. */
static void
refuse_equals(struct conf_syntax *s, const struct conf_spot *t)
{
	const struct conf_spot *name = &s->last[0], *before = &s->last[1];
	unsigned line = conf_fault_line(name, t);
	const char *setting = frame(s)->name;
	char what[CONF_FAULT_WORD], advice[CONF_FAULT_ADVICE];
	bool same = name->file == t->file;

	if (same && conf_fault_is_number(before) &&
	    conf_fault_glued(before, name))
		conf_fault_say(s, line, "found %s, which is not a number; %s",
		    conf_fault_word(before, what),
		    conf_fault_number(s, before,
			"write it in quotes, such as \"10s\" or \"64KiB\"",
			advice));
	else if (same && strcmp(setting, "include") == 0)
		conf_fault_say(s, line,
		    "found \"include\"; write @include \"file\" at the "
		    "beginning of a line");
	else if (t->token.kind == CONF_TOKEN_OPEN)
		conf_fault_say(s, line,
		    "found \"%c\", expected \"=\"; write %s = %c ... %c;",
		    *t->token.at, setting, *t->token.at,
		    conf_fault_closing(*t->token.at));
	else if (conf_fault_glued(name, t) && conf_fault_begins(t, "."))
		refuse_dot(s, name, t->token.at + 1);
	else
		conf_fault_say(s, line,
		    "found %s, expected \"=\"; write %s = value;",
		    conf_fault_found(t, what), setting);
}

/* What stands for true and false elsewhere. */
static bool
is_truth(const struct conf_spot *t)
{
	static const char *const words[] = { "yes", "no", "on", "off",
		"enabled", "disabled" };
	size_t i;

	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (t->token.len == strlen(words[i]) &&
		    strncasecmp(t->token.at, words[i], t->token.len) == 0)
			return (true);
	return (false);
}

/* Found where a value should be, and looks like a part of one. */
static void
refuse_word(struct conf_syntax *s, const struct conf_spot *t)
{
	const char *hint = "write it in quotes if it is a string";
	char what[CONF_FAULT_WORD];

	conf_fault_word(t, what);
	if (is_truth(t))
		hint = "write true or false";
	else if (is_setting(t))
		hint = "write settings in a group, { ... }";
	else if (is_yaml(t))
		hint = "this is not YAML: write a list as ( ..., ... )";
	conf_fault_say(
	    s, t->token.line, "found %s, expected a value; %s", what, hint);
}

/* Found where a value should be. */
static void
refuse_value(struct conf_syntax *s, const struct conf_spot *t)
{
	const struct conf_spot *last = &s->last[0];
	enum conf_token_kind kind = t->token.kind;
	unsigned line = conf_fault_line(last, t);
	char what[CONF_FAULT_WORD];

	if (kind == CONF_TOKEN_OPEN)
		conf_fault_say(s, t->token.line,
		    "found \"%c\" in \"[ ... ]\", expected a string or a "
		    "number; write \"( ... )\" around groups and lists",
		    *t->token.at);
	else if (last->token.kind == CONF_TOKEN_COMMA &&
		 (kind == CONF_TOKEN_CLOSE || kind == CONF_TOKEN_COMMA))
		conf_fault_say(s, line,
		    "found %s after a comma, expected a value; leave the comma "
		    "out",
		    conf_fault_found(t, what));
	else if (s->state == CONF_SYNTAX_VALUE_WANTED && t->token.line > line)
		conf_fault_say(s, line,
		    "found the end of the line, expected a value; %s",
		    is_yaml(t) ? "this is not YAML: write a list as "
				 "name = ( ..., ... );"
			       : "write name = value;");
	else if (kind == CONF_TOKEN_NAME || kind == CONF_TOKEN_OTHER ||
		 (kind == CONF_TOKEN_EQUALS && *t->token.at == ':'))
		refuse_word(s, t);
	else if (s->state == CONF_SYNTAX_VALUE_WANTED || !refuse_bracket(s, t))
		conf_fault_say(s, line, "found %s, expected a value",
		    conf_fault_found(t, what));
}

/* Found behind a value. */
static void
refuse_more(struct conf_syntax *s, const struct conf_spot *t)
{
	bool list = frame(s)->bracket == '(' || frame(s)->bracket == '[';
	const struct conf_spot *last = &s->last[0];
	enum conf_token_kind kind = t->token.kind;
	char what[CONF_FAULT_WORD], advice[CONF_FAULT_ADVICE];

	if (refuse_bracket(s, t))
		return;
	if (conf_fault_glued(last, t) && conf_fault_is_number(last) &&
	    kind != CONF_TOKEN_SEMICOLON && kind != CONF_TOKEN_OPEN)
		conf_fault_say(s, t->token.line,
		    "found %s, which is not a number; %s",
		    conf_fault_word(last, what),
		    conf_fault_number(s, last, "write it in quotes", advice));
	else if (conf_fault_glued(last, t) &&
		 last->token.kind == CONF_TOKEN_STRING &&
		 kind == CONF_TOKEN_NAME)
		conf_fault_say(s, t->token.line,
		    "found %s right after a string; is a quote missing?",
		    conf_fault_found(t, what));
	else if (list && (kind == CONF_TOKEN_SEMICOLON || is_setting(t)))
		refuse_unclosed(s, t);
	else if (list)
		conf_fault_say(s, t->token.line,
		    "found %s, expected \",\" or \"%c\"; write a comma between "
		    "elements",
		    conf_fault_found(t, what),
		    conf_fault_closing(frame(s)->bracket));
	else
		conf_fault_say(s, t->token.line, "found %s, expected \";\"",
		    conf_fault_found(t, what));
}

/* Tokens that say by themselves what is wrong. Is it one? */
static bool
refuse_token(struct conf_syntax *s, const struct conf_spot *t)
{
	switch (t->token.kind) {
	case CONF_TOKEN_OPEN_STRING:
		conf_fault_say(s, t->token.line,
		    "found a string that does not end; write a quote at its "
		    "end");
		return (true);
	case CONF_TOKEN_OPEN_INCLUDE:
		conf_fault_say(s, t->token.line,
		    "found a file name that does not end, or has a backslash; "
		    "write @include \"file\"");
		return (true);
	case CONF_TOKEN_LAST_COMMENT:
		conf_fault_say(s, t->token.line,
		    "found a comment without a line end; end the last line of "
		    "the file");
		return (true);
	case CONF_TOKEN_OTHER:
		return (conf_fault_byte(s, t));
	default:
		return (false);
	}
}

void
conf_syntax_refuse(struct conf_syntax *s, const struct conf_spot *t)
{
	if (refuse_token(s, t))
		return;
	switch (s->state) {
	case CONF_SYNTAX_NAME_WANTED:
		if (!refuse_bracket(s, t))
			refuse_setting(s, t);
		return;
	case CONF_SYNTAX_EQUALS_WANTED:
		refuse_equals(s, t);
		return;
	case CONF_SYNTAX_VALUE_WANTED:
	case CONF_SYNTAX_FIRST_WANTED:
	case CONF_SYNTAX_NEXT_WANTED:
		refuse_value(s, t);
		return;
	case CONF_SYNTAX_VALUE_DONE:
		refuse_more(s, t);
		return;
	}
}

void
conf_syntax_refuse_twice(struct conf_syntax *s, const struct conf_spot *t,
    const struct conf_syntax_name *first)
{
	if (first->file == t->file)
		conf_fault_say(s, t->token.line,
		    "is set twice, first in line %u; write it once",
		    first->line);
	else
		conf_fault_say(s, t->token.line,
		    "is set twice, first in another file; write it once");
}

void
conf_syntax_refuse_type(struct conf_syntax *s, const struct conf_spot *t)
{
	char what[CONF_FAULT_WORD];

	conf_fault_say(s, t->token.line,
	    "found %s, but the values in \"[ ... ]\" must be of one type",
	    conf_fault_found(t, what));
}

void
conf_syntax_refuse_depth(struct conf_syntax *s, const struct conf_spot *t)
{
	conf_fault_say(s, t->token.line,
	    "brackets are nested more than %d deep", CONF_SYNTAX_DEPTH - 1);
}
