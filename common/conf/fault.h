/* The parts that sentences about faults of syntax are composed of. */
#ifndef COMMON_CONF_FAULT_H
#define COMMON_CONF_FAULT_H

#include "common/conf/syntax.h"

/* The setting at hand, such as "log.error"; "" outside of any. */
void conf_fault_path(const struct conf_syntax *, char buf[CONF_SYNTAX_PATH]);

/* Fills in the fault. */
void conf_fault_say(struct conf_syntax *, unsigned line, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* The line of the first; that of the second, if they are in two files. */
unsigned conf_fault_line(const struct conf_spot *, const struct conf_spot *);

/* Does b follow a without a gap? */
bool conf_fault_glued(const struct conf_spot *a, const struct conf_spot *b);

bool conf_fault_is_number(const struct conf_spot *);

/*
 * What to write instead of a number that goes on as a word, such as 100k, for a
 * setting that takes a number; otherwise for another one. Returns that, buf or
 * a static text.
 */
#define CONF_FAULT_ADVICE 64
const char *conf_fault_number(const struct conf_syntax *,
    const struct conf_spot *, const char *otherwise,
    char buf[CONF_FAULT_ADVICE]);

/* Is this what the text has there? */
bool conf_fault_begins(const struct conf_spot *, const char *bytes);

/* What a token, or the word that it begins, is called. Returns buf, or a
 * static text. */
#define CONF_FAULT_WORD 64
const char *conf_fault_word(
    const struct conf_spot *, char buf[CONF_FAULT_WORD]);
const char *conf_fault_found(
    const struct conf_spot *, char buf[CONF_FAULT_WORD]);

/* Says what is wrong with a byte that is never right. Is it one? */
bool conf_fault_byte(struct conf_syntax *, const struct conf_spot *);

/*
 * Fill in what might explain a fault: a string over more than one line, a
 * bracket that closes one of another file, the one at hand that its own file
 * leaves open. Of several, the first counts.
 */
void conf_fault_suspect_string(struct conf_syntax *, const struct conf_spot *);
void conf_fault_suspect_close(struct conf_syntax *, const struct conf_spot *);
void conf_fault_suspect_open(struct conf_syntax *);

/* The bracket that closes what c opens. */
char conf_fault_closing(char c);

#endif
