/* A seccomp filter from its rules to its effect. */
#ifndef WORKER_SANDBOX_LOAD_H
#define WORKER_SANDBOX_LOAD_H

#include <seccomp.h>

/*
 * Puts rules into a filter as seccomp_init(3) made it, NULL included, loads it,
 * and frees it. add: 0 or -errno. 0, or -errno with *step set to what failed.
 */
int sandbox_load(scmp_filter_ctx, int (*add)(scmp_filter_ctx, const void *arg),
    const void *arg, const char **step);

#endif
