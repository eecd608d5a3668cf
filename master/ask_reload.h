/* Has a running service reload, and waits for what becomes of it. */
#ifndef MASTER_ASK_RELOAD_H
#define MASTER_ASK_RELOAD_H

#include <stdbool.h>
#include <stdio.h>

/*
 * Asks where ask_find() says. Prints all findings of that very reload, and
 * whether it took. Exit status: 0, it took; 1, it failed; 2, it could not be
 * asked for, or nobody says any more what became of it.
 */
int ask_reload(
    const char *file, const char *named, bool json, FILE *out, FILE *err);

#endif
