/* Whether this host has what it is to listen on. */
#ifndef MASTER_HERE_CHECK_H
#define MASTER_HERE_CHECK_H

#include "common/log/log.h"

struct conf;
struct findings;

/* Tells, at that level, of the addresses of listeners with freebind that this
 * host does not have now. For others that is an error when they are bound. */
void here_check(const struct conf *, enum log_level, struct findings *);

#endif
