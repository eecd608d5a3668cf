/* Tells on the board what the admin process is to show of the service. */
#ifndef MASTER_PUBLISH_H
#define MASTER_PUBLISH_H

#include <stdbool.h>

struct master;

/* Once, when the board is there. */
void publish_start(const struct master *);

/* Phase, generation and workers, as they are now. */
void publish(const struct master *);

/* A (re)load took, or failed; the start is counted as no reload. */
void publish_loaded(const struct master *, bool took, bool start);

#endif
