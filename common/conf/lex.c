/*
 * Cuts the configuration into tokens as libconfig's scanner does: the longest
 * match wins, and of two of one length the more special.
 */
#include "common/conf/lex.h"

#include <string.h>
#include <strings.h>

#define DIGITS	   "0123456789"
#define HEX_DIGITS DIGITS "abcdefABCDEF"
#define BLANKS	   " \t"
#define INCLUDE	   "@include"

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

void
conf_lex_init(struct conf_lex *lex, const char *text)
{
	*lex = (struct conf_lex){ text, 1, true };
}

/* The functions match_*() return how many bytes match, 0: it does not. */

static size_t
match_name(const char *s)
{
	size_t len = 1;

	if (!is_letter(s[0]) && s[0] != '*')
		return (0);
	while (is_letter(s[len]) || is_digit(s[len]) || s[len] == '*' ||
	       s[len] == '-' || s[len] == '_')
		len++;
	return (len);
}

/* "e+10" */
static size_t
match_exponent(const char *s)
{
	size_t sign, digits;

	if (*s != 'e' && *s != 'E')
		return (0);
	sign = s[1] == '+' || s[1] == '-';
	digits = strspn(s + 1 + sign, DIGITS);
	return (digits > 0 ? 1 + sign + digits : 0);
}

static size_t
match_long(const char *s)
{
	return (s[0] != 'L' ? 0 : s[1] != 'L' ? 1 : 2);
}

static size_t
match_hex(const char *s, enum conf_token_kind *kind)
{
	size_t digits, suffix;

	if (s[0] != '0' || (s[1] != 'x' && s[1] != 'X'))
		return (0);
	digits = strspn(s + 2, HEX_DIGITS);
	if (digits == 0)
		return (0);
	suffix = match_long(s + 2 + digits);
	*kind = suffix > 0 ? CONF_TOKEN_INT64 : CONF_TOKEN_INT;
	return (2 + digits + suffix);
}

static size_t
match_number(const char *s, enum conf_token_kind *kind)
{
	size_t sign = *s == '+' || *s == '-', len, digits, more;

	len = match_hex(s, kind);
	if (len > 0)
		return (len);
	digits = strspn(s + sign, DIGITS);
	len = sign + digits;
	*kind = CONF_TOKEN_FLOAT;
	if (s[len] == '.') {
		len += 1 + strspn(s + len + 1, DIGITS);
		return (len + match_exponent(s + len));
	}
	if (digits == 0)
		return (0);
	more = match_exponent(s + len);
	if (more > 0)
		return (len + more);
	more = match_long(s + len);
	*kind = more > 0 ? CONF_TOKEN_INT64 : CONF_TOKEN_INT;
	return (len + more);
}

static size_t
match_string(const char *s, enum conf_token_kind *kind)
{
	size_t len;

	for (len = 1; s[len] != '\0' && s[len] != '"'; len++)
		if (s[len] == '\\' && s[len + 1] != '\0')
			len++;
	*kind = s[len] == '"' ? CONF_TOKEN_STRING : CONF_TOKEN_OPEN_STRING;
	return (s[len] == '"' ? len + 1 : len);
}

/* Blanks, the word, blanks, a file name in quotes. */
static size_t
match_include(const char *s, enum conf_token_kind *kind)
{
	size_t len = strspn(s, BLANKS), blanks, name;

	if (strncmp(s + len, INCLUDE, strlen(INCLUDE)) != 0)
		return (0);
	len += strlen(INCLUDE);
	blanks = strspn(s + len, BLANKS);
	if (blanks == 0 || s[len + blanks] != '"')
		return (0);
	len += blanks + 1;
	name = strcspn(s + len, "\"\\\n");
	*kind =
	    s[len + name] == '"' ? CONF_TOKEN_INCLUDE : CONF_TOKEN_OPEN_INCLUDE;
	return (len + name + (s[len + name] == '"'));
}

/* *kind: CONF_TOKEN_END for one that ends as it should. */
static size_t
match_comment(const char *s, enum conf_token_kind *kind)
{
	const char *end;
	size_t len;

	*kind = CONF_TOKEN_END;
	if (s[0] == '/' && s[1] == '*') {
		end = strstr(s + 2, "*/");
		if (end != NULL)
			return (end + 2 - s);
		*kind = CONF_TOKEN_OPEN_COMMENT;
		return (strlen(s));
	}
	if (s[0] != '#' && (s[0] != '/' || s[1] != '/'))
		return (0);
	len = strcspn(s, "\n");
	if (s[len] == '\0')
		*kind = CONF_TOKEN_LAST_COMMENT;
	return (len);
}

static size_t
match_word(const char *s, enum conf_token_kind *kind)
{
	size_t len;

	len = match_name(s);
	if (len > 0) {
		*kind = (len == 4 && strncasecmp(s, "true", 4) == 0) ||
				(len == 5 && strncasecmp(s, "false", 5) == 0)
			    ? CONF_TOKEN_BOOL
			    : CONF_TOKEN_NAME;
		return (len);
	}
	return (match_number(s, kind));
}

static enum conf_token_kind
mark_kind(char c)
{
	switch (c) {
	case '\0':
		return (CONF_TOKEN_END);
	case '=':
	case ':':
		return (CONF_TOKEN_EQUALS);
	case ',':
		return (CONF_TOKEN_COMMA);
	case ';':
		return (CONF_TOKEN_SEMICOLON);
	case '(':
	case '[':
	case '{':
		return (CONF_TOKEN_OPEN);
	case ')':
	case ']':
	case '}':
		return (CONF_TOKEN_CLOSE);
	default:
		return (CONF_TOKEN_OTHER);
	}
}

/* Goes over len bytes. */
static void
advance(struct conf_lex *lex, size_t len)
{
	const char *end = lex->at + len;

	if (len > 0)
		lex->line_start = end[-1] == '\n';
	for (; lex->at < end; lex->at++)
		lex->line += *lex->at == '\n';
}

/* Is an include what comes next? They have a line of their own. */
static bool
at_include(const struct conf_lex *lex)
{
	enum conf_token_kind kind;

	return (lex->line_start && match_include(lex->at, &kind) > 0);
}

/* Goes to what is neither a blank nor a comment. Is a comment in its way? */
static bool
skip(struct conf_lex *lex, struct conf_token *token)
{
	enum conf_token_kind kind;
	size_t len;

	while (!at_include(lex)) {
		len = *lex->at == '\n' ? 1 : strspn(lex->at, BLANKS "\r\f");
		if (len > 0) {
			advance(lex, len);
			continue;
		}
		len = match_comment(lex->at, &kind);
		*token = (struct conf_token){ kind, lex->at, len, lex->line };
		advance(lex, len);
		if (len == 0 || kind != CONF_TOKEN_END)
			return (len > 0);
	}
	return (false);
}

void
conf_lex_next(struct conf_lex *lex, struct conf_token *token)
{
	enum conf_token_kind kind;
	size_t len = 0;

	if (skip(lex, token))
		return;
	if (lex->line_start)
		len = match_include(lex->at, &kind);
	if (len == 0 && *lex->at == '"')
		len = match_string(lex->at, &kind);
	if (len == 0)
		len = match_word(lex->at, &kind);
	if (len == 0) {
		kind = mark_kind(*lex->at);
		len = kind != CONF_TOKEN_END;
	}
	*token = (struct conf_token){ kind, lex->at, len, lex->line };
	advance(lex, len);
}

const char *
conf_lex_include(const struct conf_token *token, size_t *len)
{
	const char *quote = memchr(token->at, '"', token->len);

	*len = token->at + token->len - 1 - (quote + 1);
	return (quote + 1);
}
