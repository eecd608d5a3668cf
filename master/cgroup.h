/*
 * How much memory the control groups of this process have left: its own, and
 * those that it is in with others. Of version 2, or of version 1 with its
 * memory controller.
 */
#ifndef MASTER_CGROUP_H
#define MASTER_CGROUP_H

#include <stdint.h>

/* A hierarchy deeper than this is not looked at beyond. */
#define CGROUP_LEVELS 16

struct cgroup {
	char *folders[CGROUP_LEVELS]; /* its own is the first */
	int levels;		      /* 0: there is none */
	int version;
};

/* Which ones they are: membership is /proc/self/cgroup, mounts is
 * /proc/self/mountinfo, cgroup(7). 0, also where there are none, or -errno. */
int cgroup_find(struct cgroup *, const char *membership, const char *mounts);
void cgroup_fini(struct cgroup *);

#define CGROUP_NO_LIMIT UINT64_MAX

struct cgroup_memory {
	uint64_t limit; /* in bytes; CGROUP_NO_LIMIT: there is none */
	uint64_t used;	/* of it; file pages that can be had back are not */
};

/*
 * Looks at the one of them that has the least left. cap: the first has a limit
 * of no more than that, whatever it says. 0, or -errno: where there is a limit,
 * what is used cannot be read.
 */
int cgroup_look(const struct cgroup *, uint64_t cap, struct cgroup_memory *);

#endif
