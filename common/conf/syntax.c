/*
 * Follows the grammar of libconfig token by token. Where a token does not fit,
 * syntax_fault.c says why.
 */
#include "common/conf/syntax.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libconfig.h>

#include "common/conf/fault.h"
#include "common/conf/syntax_fault.h"

/* What libconfig took up between 1.5 and 1.7. */
#define IS_1_5 (LIBCONFIG_VER_MAJOR == 1 && LIBCONFIG_VER_MINOR < 7)

void
conf_syntax_init(struct conf_syntax *s)
{
	memset(s, 0, sizeof(*s));
}

static struct conf_frame *
frame(struct conf_syntax *s)
{
	return (&s->frames[s->depth]);
}

static bool
in_group(struct conf_syntax *s)
{
	return (frame(s)->bracket == '\0' || frame(s)->bracket == '{');
}

static void
keep_name(char to[CONF_SYNTAX_NAME], const struct conf_token *t)
{
	size_t len = t->len < CONF_SYNTAX_NAME ? t->len : CONF_SYNTAX_NAME - 1;

	memcpy(to, t->at, len);
	to[len] = '\0';
}

/* "100k" is the number 100 and the name k, but not meant so. */
static bool
is_unit(const struct conf_syntax *s, const struct conf_spot *t)
{
	const struct conf_token *last = &s->last[0].token;

	return (s->last[0].file == t->file && last->kind != CONF_TOKEN_END &&
		s->state == CONF_SYNTAX_VALUE_DONE &&
		last->at + last->len == t->token.at);
}

/* Longer names, which no setting has, may be given twice for all we know. */
static void
take_name(struct conf_syntax *s, const struct conf_spot *t)
{
	char name[CONF_SYNTAX_NAME];
	struct conf_syntax_name *n;

	keep_name(name, &t->token);
	if (!is_unit(s, t))
		strcpy(frame(s)->name, name);
	s->state = CONF_SYNTAX_EQUALS_WANTED;
	if (t->token.len >= CONF_SYNTAX_NAME)
		return;
	for (n = s->names + frame(s)->nnames; n < s->names + s->nnames; n++)
		if (strcmp(n->text, name) == 0) {
			conf_syntax_refuse_twice(s, t, n);
			return;
		}
	if (s->nnames == CONF_SYNTAX_NAMES)
		return;
	strcpy(n->text, name);
	n->line = t->token.line;
	n->file = t->file;
	s->nnames++;
}

static void
open_bracket(struct conf_syntax *s, const struct conf_spot *t)
{
	if (s->depth + 1 == CONF_SYNTAX_DEPTH) {
		conf_syntax_refuse_depth(s, t);
		return;
	}
	s->depth++;
	*frame(s) = (struct conf_frame){ .bracket = *t->token.at,
		.line = t->token.line,
		.file = t->file,
		.nnames = s->nnames };
	s->state =
	    in_group(s) ? CONF_SYNTAX_NAME_WANTED : CONF_SYNTAX_FIRST_WANTED;
}

/* Takes the bracket that closes the frame at hand. Is it that? */
static bool
close_bracket(struct conf_syntax *s, const struct conf_spot *t)
{
	if (t->token.kind != CONF_TOKEN_CLOSE || frame(s)->bracket == '\0' ||
	    *t->token.at != conf_fault_closing(frame(s)->bracket))
		return (false);
	if (frame(s)->file != t->file)
		conf_fault_suspect_close(s, t);
	s->nnames = frame(s)->nnames;
	s->depth--;
	s->state = CONF_SYNTAX_VALUE_DONE;
	return (true);
}

static bool
is_scalar(enum conf_token_kind kind)
{
	return (kind == CONF_TOKEN_BOOL || kind == CONF_TOKEN_INT ||
		kind == CONF_TOKEN_INT64 || kind == CONF_TOKEN_FLOAT ||
		kind == CONF_TOKEN_STRING);
}

/* Later versions take a decimal number for long by its size, too. */
static enum conf_token_kind
scalar_type(const struct conf_token *t)
{
	bool hex = t->len > 1 && (t->at[1] == 'x' || t->at[1] == 'X');
	long long value;

	if (IS_1_5 || hex || t->kind != CONF_TOKEN_INT)
		return (t->kind);
	value = strtoll(t->at, NULL, 10);
	return (value < INT32_MIN || value > INT32_MAX ? CONF_TOKEN_INT64
						       : CONF_TOKEN_INT);
}

static void
take_scalar(struct conf_syntax *s, const struct conf_spot *t)
{
	struct conf_frame *f = frame(s);

	s->state = CONF_SYNTAX_VALUE_DONE;
	if (f->bracket != '[')
		return;
	if (f->first == CONF_TOKEN_END)
		f->first = scalar_type(&t->token);
	else if (f->first != scalar_type(&t->token))
		conf_syntax_refuse_type(s, t);
}

/* Since 1.7, commas may stand behind the last element. */
static void
take_value(struct conf_syntax *s, const struct conf_spot *t)
{
	bool after_comma = s->state == CONF_SYNTAX_NEXT_WANTED && !IS_1_5;
	bool may_end = s->state == CONF_SYNTAX_FIRST_WANTED || after_comma;

	if (is_scalar(t->token.kind))
		take_scalar(s, t);
	else if (t->token.kind == CONF_TOKEN_OPEN && frame(s)->bracket != '[')
		open_bracket(s, t);
	else if ((t->token.kind != CONF_TOKEN_COMMA || !after_comma) &&
		 (!may_end || !close_bracket(s, t)))
		conf_syntax_refuse(s, t);
}

/* Between settings: a name, or the end of the group. */
static void
take_setting(struct conf_syntax *s, const struct conf_spot *t)
{
	if (t->token.kind == CONF_TOKEN_NAME)
		take_name(s, t);
	else if ((t->token.kind != CONF_TOKEN_END || s->depth > 0) &&
		 !close_bracket(s, t))
		conf_syntax_refuse(s, t);
}

/* Strings that follow each other are one. */
static void
take_more(struct conf_syntax *s, const struct conf_spot *t)
{
	enum conf_token_kind kind = t->token.kind;

	if (kind == CONF_TOKEN_STRING &&
	    s->last[0].token.kind == CONF_TOKEN_STRING) {
		s->joined = !in_group(s);
		return;
	}
	if (in_group(s)) {
		if (kind != CONF_TOKEN_SEMICOLON && kind != CONF_TOKEN_COMMA) {
			take_setting(s, t);
			return;
		}
		s->state = CONF_SYNTAX_NAME_WANTED;
		frame(s)->name[0] = '\0';
	} else if (kind == CONF_TOKEN_COMMA) {
		s->state = CONF_SYNTAX_NEXT_WANTED;
	} else if (!close_bracket(s, t)) {
		conf_syntax_refuse(s, t);
	}
}

static void
take(struct conf_syntax *s, const struct conf_spot *t)
{
	switch (s->state) {
	case CONF_SYNTAX_NAME_WANTED:
		take_setting(s, t);
		return;
	case CONF_SYNTAX_EQUALS_WANTED:
		if (t->token.kind == CONF_TOKEN_EQUALS)
			s->state = CONF_SYNTAX_VALUE_WANTED;
		else
			conf_syntax_refuse(s, t);
		return;
	case CONF_SYNTAX_VALUE_WANTED:
	case CONF_SYNTAX_FIRST_WANTED:
	case CONF_SYNTAX_NEXT_WANTED:
		take_value(s, t);
		return;
	case CONF_SYNTAX_VALUE_DONE:
		take_more(s, t);
		return;
	}
}

void
conf_syntax_take(
    struct conf_syntax *s, const struct conf_token *token, unsigned file)
{
	struct conf_spot t = { *token, file };

	if (s->fault.line != 0 || token->kind == CONF_TOKEN_OPEN_COMMENT ||
	    (token->kind == CONF_TOKEN_LAST_COMMENT && !IS_1_5))
		return;
	s->joined = false;
	if (token->kind == CONF_TOKEN_INCLUDE) {
		s->after_include = true;
		return;
	}
	if (token->kind == CONF_TOKEN_STRING &&
	    memchr(token->at, '\n', token->len) != NULL)
		conf_fault_suspect_string(s, &t);
	take(s, &t);
	if (s->fault.line != 0 && s->suspect.line != 0)
		s->fault = s->suspect;
	s->last[1] = s->last[0];
	s->last[0] = t;
	s->after_include = false;
}

void
conf_syntax_end_file(struct conf_syntax *s, unsigned file)
{
	if (frame(s)->bracket != '\0' && frame(s)->file == file)
		conf_fault_suspect_open(s);
}
