/* Log lines that died with a worker: the master is its heir. */
#ifndef MASTER_LOSSES_H
#define MASTER_LOSSES_H

#include <stdbool.h>
#include <stdint.h>

struct child;
struct master;

/* A worker has ended: tells both logs what it has left unwritten or untold, and
 * counts it. Its slot is still there. Written: another writes what it owes to
 * the audit log. */
void losses_inherit(struct master *, const struct child *, bool written);

/* Lines that were given up when sniport ends. */
void losses_final(struct master *, uint64_t audit_lines);

#endif
