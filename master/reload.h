/*
 * A (re)load as a transaction: either all of a new generation serves, or all
 * of the old goes on untouched. The start is the first one.
 */
#ifndef MASTER_RELOAD_H
#define MASTER_RELOAD_H

#include <stdint.h>

struct master;
struct pause;

/* Reads, in steps of a pause, checks, binds and forks. How it went shows in
 * reload_step(). Where the pause ended it, by -ECANCELED, nothing is left of
 * it. */
void reload_begin(struct master *, struct pause *);

/* Commits when all workers of the next generation are ready, gives up when
 * anything went wrong. To be called after every event. */
void reload_step(struct master *);

#endif
