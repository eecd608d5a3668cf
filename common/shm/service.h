/*
 * How the service is, as the master tells it on the board to all that look
 * inside: no number of a worker's own.
 */
#ifndef COMMON_SHM_SERVICE_H
#define COMMON_SHM_SERVICE_H

#include <stdint.h>

struct shm;

/* What SERVICE_PHASE is. */
enum service_phase {
	SERVICE_STARTING, /* nothing was loaded yet */
	SERVICE_RUNNING,
	SERVICE_STOPPING
};

enum service_value {
	SERVICE_PHASE,
	SERVICE_STARTED,    /* ns since 1970 */
	SERVICE_GENERATION, /* the current one */
	SERVICE_WORKERS,    /* that it should have */
	SERVICE_SERVING,    /* of them, those that accept */
	SERVICE_RELOADS,    /* that took, without the start */
	SERVICE_RELOADS_FAILED,
	SERVICE_RELOADED,      /* when the last one that took did; ns since
				 * 1970 */
	SERVICE_RELOAD_FAILED, /* 1: so did the last one */
	SERVICE_WORKERS_DIED,  /* without being told to end */
	SERVICE_ADMINS_DIED,
	SERVICE_VALUES
};

/* Master only. */
void service_set(struct shm *, enum service_value, uint64_t);
void service_add(struct shm *, enum service_value, uint64_t);

uint64_t service_get(const struct shm *, enum service_value);

#endif
