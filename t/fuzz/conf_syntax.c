/*
 * The syntax of the configuration: what libconfig takes we take, and what it
 * refuses has a fault, on a line that is not behind the one that it names.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <libconfig.h>

#include "common/conf/syntax.h"
#include "t/unit/syntax_find.h"
#include "t/unit/libconfig_leaks.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* libconfig loses a string that does not end, without a word. */
static bool
is_open_string(const struct conf_token *t)
{
	return (t->kind == CONF_TOKEN_OPEN_STRING);
}

/* Since 1.7, it refuses what is no octal number, or beyond 64 bits: that is
 * for text.c to say. */
static bool
is_odd_number(const struct conf_token *t)
{
	return (t->kind == CONF_TOKEN_INT &&
		(t->len > 18 || memchr(t->at, '0', t->len < 2 ? 0 : 2)));
}

static bool
has(const char *text, bool (*is)(const struct conf_token *))
{
	struct conf_token t;
	struct conf_lex lex;

	conf_lex_init(&lex, text);
	do
		conf_lex_next(&lex, &t);
	while (t.kind != CONF_TOKEN_END && !is(&t));
	return (t.kind != CONF_TOKEN_END);
}

/* What only a longer memory for names would find. */
static bool
is_forgotten(const config_t *tree, size_t size)
{
	return (size > 2 * CONF_SYNTAX_NAME &&
		strcmp(config_error_text(tree), "duplicate setting name") == 0);
}

static void
check_fault(const struct conf_fault *fault, unsigned last)
{
	assert(fault->line >= 1 && fault->line <= last);
	assert(fault->text[0] != '\0' && strchr(fault->text, '\n') == NULL);
	assert(strlen(fault->text) < sizeof(fault->text));
	assert(strlen(fault->setting) < sizeof(fault->setting));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = strndup((const char *)data, size);
	struct conf_fault fault;
	config_t tree;
	bool found, odd;

	assert(text != NULL);
	found = syntax_find(text, &fault);
	assert(found == (fault.line != 0));
	config_init(&tree);
	/* The fuzzer is not to read files by what it makes up. */
	if (strstr(text, "@include") != NULL) {
		;
	} else if (config_read_string(&tree, text)) {
		assert(!found || has(text, is_open_string) ||
		       strstr(fault.text, "nested more than") != NULL);
	} else {
		odd = has(text, is_odd_number);
		assert(found || odd || is_forgotten(&tree, strlen(text)));
		if (found && !odd)
			check_fault(&fault, config_error_line(&tree));
	}
	config_destroy(&tree);
	free(text);
	return (0);
}
