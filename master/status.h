/* What the service manager is told about the state of the service. */
#ifndef MASTER_STATUS_H
#define MASTER_STATUS_H

#include <stddef.h>
#include <stdint.h>

struct master;

#define STATUS_SUMMARY_SIZE 256

/* "2 workers, 1 listener, 3 rules, generation 4", of the current one; where not
 * all serve, "1 of 2 workers". */
void status_summary(const struct master *, char text[STATUS_SUMMARY_SIZE]);

/* A generation has begun to serve: all its workers do. */
void status_ready(struct master *);

/* It was told to stop, and serves until its grace is over. */
void status_stopping(struct master *);

/* A reload has failed. */
void status_failed(struct master *, const char *cause);

/* So many workers serve; told if it is news. */
void status_workers(struct master *, size_t serving);

/* Tells how many tunnels are open, where that has changed; returns when to look
 * again. */
int64_t status_tick(struct master *, int64_t now);

#endif
