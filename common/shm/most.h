/* The most that one worker is believed to have of a limit that all share. */
#ifndef COMMON_SHM_MOST_H
#define COMMON_SHM_MOST_H

#include <stdint.h>

struct shm_most {
	uint64_t alone;	 /* where it is the only one of its generation */
	uint64_t beside; /* where there are others */
};

#endif
