/*
 * Finds the place where a configuration breaks the rules of its syntax, and
 * says what is wrong there, where libconfig says only "syntax error". It takes
 * what the libconfig that it was compiled with takes. Pure: tokens in, text
 * out.
 */
#ifndef COMMON_CONF_SYNTAX_H
#define COMMON_CONF_SYNTAX_H

#include "common/conf/lex.h"

#define CONF_SYNTAX_DEPTH 64  /* of brackets, the file being one level */
#define CONF_SYNTAX_NAMES 256 /* that are remembered, to find one twice */
#define CONF_SYNTAX_NAME  32  /* bytes of a name; settings have fewer */
#define CONF_SYNTAX_PATH  128 /* bytes of "log.error" */

struct conf_fault {
	unsigned line; /* 0: none was found */
	char setting[CONF_SYNTAX_PATH];
	char text[384]; /* "found X, expected Y; write Z" */
};

/* A token and the number of its file; NULL or stale where that is another. */
struct conf_spot {
	struct conf_token token;
	unsigned file;
};

struct conf_frame {
	char bracket; /* that opened it; '\0': the file as a whole */
	unsigned line, file;
	size_t nnames;		     /* that were known before it */
	enum conf_token_kind first;  /* of its values; CONF_TOKEN_END: none */
	char name[CONF_SYNTAX_NAME]; /* of the setting at hand; "": none */
};

struct conf_syntax_name {
	char text[CONF_SYNTAX_NAME];
	unsigned line, file;
};

enum conf_syntax_state {
	CONF_SYNTAX_NAME_WANTED,
	CONF_SYNTAX_EQUALS_WANTED,
	CONF_SYNTAX_VALUE_WANTED,
	CONF_SYNTAX_FIRST_WANTED, /* a value, or the end of the list */
	CONF_SYNTAX_NEXT_WANTED,  /* a value behind a comma */
	CONF_SYNTAX_VALUE_DONE
};

struct conf_syntax {
	struct conf_fault fault;
	/* What is allowed, but explains a fault that comes later. */
	struct conf_fault suspect;
	enum conf_syntax_state state;
	struct conf_frame frames[CONF_SYNTAX_DEPTH];
	size_t depth; /* of the frame at hand */
	struct conf_syntax_name names[CONF_SYNTAX_NAMES];
	size_t nnames;
	struct conf_spot last[2]; /* the tokens before, latest first */
	bool after_include;
	bool joined; /* last[0] continues the element last[1] of a list */
};

void conf_syntax_init(struct conf_syntax *);

/*
 * Takes the next token; file is a number that is the same for all tokens of
 * one file. After a fault was found, nothing happens. CONF_TOKEN_END is for
 * the end of the last file alone.
 */
void conf_syntax_take(
    struct conf_syntax *, const struct conf_token *, unsigned file);

/* The file, which another one includes, has no more tokens. */
void conf_syntax_end_file(struct conf_syntax *, unsigned file);

#endif
