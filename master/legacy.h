/*
 * What dead workers have left: audit lines of tunnels that were open, and those
 * that their logs had not taken yet. A scribe writes them (scribe.h). Until all
 * are written the crew stays, since lines are printed by its names.
 */
#ifndef MASTER_LEGACY_H
#define MASTER_LEGACY_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct child;
struct crew;
struct master;

/* A worker has died: has its lines written, if there are any. False: they
 * cannot be written, and are lost. Where too much waits already they are given
 * up, and counted. */
bool legacy_begin(struct master *, struct child *, int64_t now);

/* Do the former workers of that seat have more lines that wait than an honest
 * one could leave? */
bool legacy_crowded(
    const struct master *, const struct crew *, unsigned worker);

/* A process has ended; false: it was no scribe. *crew is that for whose
 * lines it was the last; NULL: there is none. */
bool legacy_reaped(
    struct master *, pid_t, int status, int64_t now, struct crew **crew);

/* Returns when to look again. */
int64_t legacy_tick(struct master *, int64_t now);

/* Is there something left of this crew; of any (NULL)? */
bool legacy_waits(const struct master *, const struct crew *);

/* Gives up what is not written. */
void legacy_fini(struct master *);

#endif
