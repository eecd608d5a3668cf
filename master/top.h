/* sniport top: who moves most, now. */
#ifndef MASTER_TOP_H
#define MASTER_TOP_H

#include <stdbool.h>
#include <stdio.h>

#include "master/top_list.h"

/* Asks on that path for that target, which has rows as answer. On a terminal it
 * shows them until it is told to end; else once, after a second. 0, or -errno
 * and err says why. */
int top_run(
    const char *path, const char *target, enum top_order, bool json, FILE *err);

#endif
