/* Has the keys of session tickets change, and go. */
#ifndef MASTER_ROTATE_H
#define MASTER_ROTATE_H

#include <stdint.h>

struct master;

/* Returns when to look again. */
int64_t rotate_tick(struct master *, int64_t now);

#endif
