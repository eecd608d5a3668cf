/* The standard streams of a worker. */
#ifndef MASTER_STREAMS_H
#define MASTER_STREAMS_H

/*
 * For a worker, after the fork, while it may still open what the master may:
 * has it read nothing from the standard streams, and only append to them. Where
 * that cannot be had, a stream leads to nowhere. 0, or -errno where even that
 * fails.
 */
int streams_confine(void);

#endif
