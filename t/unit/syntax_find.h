/* Finds the first fault of a configuration that includes no file. */
#ifndef T_UNIT_SYNTAX_FIND_H
#define T_UNIT_SYNTAX_FIND_H

#include <stdbool.h>

#include "common/conf/syntax.h"

/* Was there one? */
static inline bool
syntax_find(const char *text, struct conf_fault *fault)
{
	struct conf_syntax s;
	struct conf_token t;
	struct conf_lex lex;

	conf_syntax_init(&s);
	conf_lex_init(&lex, text);
	do {
		conf_lex_next(&lex, &t);
		conf_syntax_take(&s, &t, 0);
	} while (t.kind != CONF_TOKEN_END && s.fault.line == 0);
	*fault = s.fault;
	return (s.fault.line != 0);
}

#endif
