/* Whom the workers run as, and the limits that all processes run under. */
#ifndef MASTER_PRIVILEGE_H
#define MASTER_PRIVILEGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct conf;
struct findings;

struct run_as {
	bool change; /* false: not started as root, all stay who they are */
	uid_t uid;
	gid_t gid;
	uint32_t keep; /* the capability that egress lines with marks need */
};

/*
 * Resolves the user and group of the configuration, names or numbers; without
 * a user it is nobody and nogroup. What does not exist or cannot be had goes
 * to findings; a child tries to become that user. 0 or -EINVAL.
 */
int privilege_resolve(struct run_as *, const struct conf *, struct findings *);

/*
 * For a worker, after the fork: becomes that user without supplementary
 * groups, capabilities (but the one that is to be kept), core dumps or
 * a way to gain privileges again. 0, or -errno with *step set to the name of
 * what failed.
 */
int privilege_drop(const struct run_as *, const char **step);

/* For the master, at the start: no core dumps and no tracing, since keys are
 * in memory; as many files as the hard limit allows. 0 or -errno. */
int privilege_limits(void);

/* -EMFILE, with the cause in findings, where the limit on open files leaves no
 * room even to read a configuration. */
int privilege_check_least(struct findings *);

/* Shared memory could not be made (-EFBIG): puts into findings which limit
 * forbids it. */
void privilege_tell_size(struct findings *);

/*
 * -EMFILE where that limit on open files (0: that of this process) leaves no
 * room for the listeners and a single tunnel, since nobody would be served
 * then: the numbers are in findings. Else 0, with a warning where a worker's
 * share of limits.tunnels has no room.
 */
int privilege_check_files(
    const struct conf *, size_t nworkers, uint64_t limit, struct findings *);

#endif
