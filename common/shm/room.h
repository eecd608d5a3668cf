/*
 * How much memory there is for workers to take, as the master has found at its
 * last look. Workers cannot look themselves.
 */
#ifndef COMMON_SHM_ROOM_H
#define COMMON_SHM_ROOM_H

#include <stdint.h>

struct shm;

#define ROOM_UNLIMITED UINT64_MAX

struct room {
	uint64_t look;	/* its number; 0: there was none yet */
	uint64_t bytes; /* that each worker may take from then on */
};

/* Master only. */
void room_tell(struct shm *, uint64_t bytes);
struct room room_told(const struct shm *);

#endif
