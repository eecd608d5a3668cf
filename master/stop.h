/*
 * The stop of the master: workers drain, or end at once, and when the last of
 * them is gone the logs take what is left.
 */
#ifndef MASTER_STOP_H
#define MASTER_STOP_H

#include <stdbool.h>
#include <stdint.h>

struct master;

/* When the grace of the configuration is over, nothing is accepted any more,
 * and tunnels may end by themselves for as long as it says. Before the start
 * has succeeded it is stop_at_once(). */
void stop_gently(struct master *);

/* Whatever is being started or serves goes; a second call is harmless. */
void stop_at_once(struct master *);

/* Asks the service manager for more time until all have drained, which begins
 * when the grace is over. Returns when the stop has to be looked at again. */
int64_t stop_tick(struct master *, int64_t now);

/* Has it come to its end, with all lines written or given up? To be asked again
 * until it is true. */
bool stop_is_over(struct master *);

#endif
