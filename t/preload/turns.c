/*
 * Preloaded into sniport: how long the turns of a worker's loop are, in CPU
 * time of the worker, from one wait for events to the next. The file that
 * TURNS_FILE names is shared with the benchmark, which sets `longest` to 0
 * where a new measurement begins. CPU time, since others who run on the machine
 * would make a turn last longer.
 */
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <time.h>

#include "t/preload/preload.h"

/* As the benchmark unpacks it. */
struct turns {
	_Atomic uint64_t longest; /* ns */
};

static struct turns *turns;
static uint64_t begun;

static void __attribute__((constructor)) begin(void)
{
	turns =
	    preload_share("TURNS_FILE", sizeof(*turns), PROT_READ | PROT_WRITE);
}

static uint64_t
cpu_time(void)
{
	struct timespec ts;

	if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts) == -1)
		abort();
	return ((uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec);
}

/* Workers alone wait so; the master has a loop of another kind. */
int
epoll_pwait2(int epfd, struct epoll_event *events, int max,
    const struct timespec *timeout, const sigset_t *mask)
{
	static int (*next)(int, struct epoll_event *, int,
	    const struct timespec *, const sigset_t *);
	uint64_t took;
	int n;

	if (next == NULL)
		next = preload_real("epoll_pwait2");
	took = begun != 0 ? cpu_time() - begun : 0;
	if (took > atomic_load(&turns->longest))
		atomic_store(&turns->longest, took);
	n = next(epfd, events, max, timeout, mask);
	begun = cpu_time();
	return (n);
}
