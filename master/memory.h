/*
 * Keeps workers from taking so much memory that the kernel would kill one of
 * them: the master looks how much their control group has left, and tells them.
 */
#ifndef MASTER_MEMORY_H
#define MASTER_MEMORY_H

#include <stdbool.h>
#include <stdint.h>

#include "common/log/log.h"
#include "master/cgroup.h"

struct master;

struct memory_watch {
	struct cgroup cgroup;
	int64_t limit; /* limits.memory at the last look */
	int64_t look_at;
	bool tight; /* at the last look */
	struct log_rate rate, errors;
};

/* Finds the control group. What cannot be found has no limit. */
void memory_open(struct memory_watch *);
void memory_close(struct memory_watch *);

/* Looks if it is time; returns when to look again. */
int64_t memory_tick(struct master *, int64_t now);

/* Of so much memory so much is kept for what cannot be refused: standing
 * tunnels, a reload, the kernel. Pure. */
uint64_t memory_margin(uint64_t limit);

#endif
