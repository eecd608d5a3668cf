/* How a program takes the master's place, or tries whether it can. */
#ifndef MASTER_TAKEOVER_H
#define MASTER_TAKEOVER_H

#include <stdbool.h>

struct master;

/* Is there a master whose place this program is to take? */
bool takeover_is_due(void);

/*
 * Takes it: *m is initialised, waits for its signals and events, and has
 * nothing else. 0: it has all that was handed over, and a reload is wanted, by
 * which it gets a generation of its own. What goes wrong before has the program
 * run that was there before; only where that fails, too, it is -errno, with
 * *step set.
 */
int takeover(struct master *m, char *const *argv, const char **step);

/* A trial: could it be done, with what is in that descriptor (its number as a
 * text), and with the configuration? Says what is wrong, and returns the exit
 * status. */
int takeover_try(const char *state);

#endif
