/* Log lines that died with a worker: the master is its heir. */
#ifndef MASTER_LOSSES_H
#define MASTER_LOSSES_H

#include <stdbool.h>
#include <stdint.h>

struct child;
struct master;

/* A worker has ended, and its slot is still there: counts the connections that
 * it had, and the lines that were lost with it, and logs how many these are.
 * written: the lines that it owes to the audit log are not lost, since a scribe
 * writes them. */
void losses_inherit(struct master *, const struct child *, bool written);

/* Lines that were given up when sniport ends. */
void losses_final(struct master *, uint64_t audit_lines);

#endif
