/*
 * The words of the configuration's syntax, which is that of libconfig 1.5 to
 * 1.7. Pure: text in, tokens out.
 */
#ifndef COMMON_CONF_LEX_H
#define COMMON_CONF_LEX_H

#include <stdbool.h>
#include <stddef.h>

enum conf_token_kind {
	CONF_TOKEN_END,
	CONF_TOKEN_NAME,
	CONF_TOKEN_BOOL,
	CONF_TOKEN_INT,
	CONF_TOKEN_INT64, /* with L at its end */
	CONF_TOKEN_FLOAT,
	CONF_TOKEN_STRING,  /* with its quotes */
	CONF_TOKEN_INCLUDE, /* @include "file", from its first blank on */
	CONF_TOKEN_EQUALS,  /* = or : */
	CONF_TOKEN_COMMA,
	CONF_TOKEN_SEMICOLON,
	CONF_TOKEN_OPEN,  /* ( [ { */
	CONF_TOKEN_CLOSE, /* ) ] } */
	CONF_TOKEN_OTHER, /* one byte that begins nothing */
	/* What reaches to the end of the text because it has no end itself. */
	CONF_TOKEN_OPEN_STRING,
	CONF_TOKEN_OPEN_INCLUDE,
	CONF_TOKEN_OPEN_COMMENT,
	CONF_TOKEN_LAST_COMMENT /* a comment on a line without a line end */
};

struct conf_token {
	enum conf_token_kind kind;
	const char *at; /* into the text */
	size_t len;
	unsigned line; /* of its first byte */
};

/* Where the next token is looked for. */
struct conf_lex {
	const char *at;
	unsigned line;
	bool line_start;
};

/* text is NUL-terminated, and borrowed. */
void conf_lex_init(struct conf_lex *, const char *text);

/* After CONF_TOKEN_END there is only that. */
void conf_lex_next(struct conf_lex *, struct conf_token *);

/* The file name of a CONF_TOKEN_INCLUDE, *len bytes. */
const char *conf_lex_include(const struct conf_token *, size_t *len);

#endif
