/* What a worker may do to sockets: to its own, and to those that it shares. */
#ifndef WORKER_SANDBOX_SOCKETS_H
#define WORKER_SANDBOX_SOCKETS_H

#include <seccomp.h>

struct boot;
struct conf;

/* Permits the options that tunnels and this configuration's egress lines need,
 * by level and name; and, for their sources, bind(2). 0 or -errno. */
int sandbox_allow_options(scmp_filter_ctx, const struct conf *);

/*
 * Loads a filter of its own that forbids, of the sockets that the worker
 * shares with the master and other workers, what would change them for all.
 * They are told by number: a worker cannot give a description a second one,
 * and a listener that it closes keeps its number (accept.c). 0, or -errno with
 * *step set to what failed.
 */
int sandbox_guard_shared(const struct boot *, const char **step);

#endif
