/* A set of worker numbers. Pure. */
#ifndef MASTER_WORKER_SET_H
#define MASTER_WORKER_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* As many as can be configured, and as there are CPUs in a cpu_set_t. */
#define WORKERS_MAX 1024

/* Zeroed: empty. */
struct worker_set {
	uint64_t bits[WORKERS_MAX / 64];
};

static inline void
worker_set_add(struct worker_set *set, size_t worker)
{
	if (worker < WORKERS_MAX)
		set->bits[worker / 64] |= UINT64_C(1) << worker % 64;
}

static inline bool
worker_set_has(const struct worker_set *set, size_t worker)
{
	return (worker < WORKERS_MAX &&
		(set->bits[worker / 64] & UINT64_C(1) << worker % 64) != 0);
}

#endif
