/* The watch over the workers' hearts, and over their deadlines. */
#ifndef MASTER_WATCH_H
#define MASTER_WATCH_H

#include <stdint.h>

struct child;
struct master;

/* Kills the child if it stands still or has outlived its deadline; returns when
 * it has to be looked at again. */
int64_t watch_child(struct master *, struct child *, int64_t now);

#endif
