/*
 * A (re)load as a transaction: either all of a new generation serves, or all
 * of the old goes on untouched. The start is the first one.
 */
#ifndef MASTER_RELOAD_H
#define MASTER_RELOAD_H

#include <stdint.h>

struct master;

/* Reads, checks, binds and forks. How it went shows in reload_step(). */
void reload_begin(struct master *);

/* Commits when all workers of the next generation are ready, gives up when
 * anything went wrong. To be called after every event. */
void reload_step(struct master *);

#endif
