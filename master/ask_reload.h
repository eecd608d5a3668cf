/* Has a running service reload or upgrade, and waits for what comes of it. */
#ifndef MASTER_ASK_RELOAD_H
#define MASTER_ASK_RELOAD_H

#include <stdbool.h>
#include <stdio.h>

struct ask_load {
	bool upgrade;	   /* to another program, which then reloads */
	const char *file;  /* the configuration */
	const char *named; /* the socket; NULL: what the file says */
	bool json;
};

/*
 * Asks where ask_find() says. Prints all findings of that very reload, and
 * whether it took. Exit status: 0, it took; 1, it failed; 2, it could not be
 * asked for, or nobody says any more what became of it.
 */
int ask_reload(const struct ask_load *, FILE *out, FILE *err);

#endif
