/* The most that one worker is believed to have of a limit that all share. */
#ifndef COMMON_SHM_MOST_H
#define COMMON_SHM_MOST_H

#include <stdint.h>

/* A limit from here on is shared: no worker that has others beside it may have
 * more than three quarters of it. Below, one may have it all. */
#define SHM_SHARED 64

struct shm_most {
	uint64_t alone;	 /* where it is the only one of its generation */
	uint64_t beside; /* where there are others */
};

/*
 * How much of a limit over all workers one of them may have, and is believed to
 * have: one that was broken into has what it says. Of what is enough to be
 * shared, a quarter is out of its reach.
 */
static inline struct shm_most
shm_share(uint64_t limit)
{
	return ((struct shm_most){ .alone = limit,
	    .beside = limit < SHM_SHARED ? limit : limit - limit / 4 });
}

#endif
