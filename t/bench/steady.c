/*
 * How fast is the machine just now? Prints how many nanoseconds of CPU time a
 * fixed work takes, which is the same in every run: arithmetic, memory that
 * fits into the cache of a core, and small system calls.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define TIMES  9
#define STEPS  400000
#define WORDS  (64 * 1024) /* of four bytes */
#define CALLS  2000
#define RANDOM UINT64_C(6364136223846793005)

static uint32_t memory[WORDS];

static int64_t
cpu_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return ((int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec);
}

static void
work(void)
{
	uint64_t x = 1;
	int i;

	for (i = 0; i < STEPS; i++) {
		x = x * RANDOM + 1;
		memory[(x >> 33) % WORDS] += (uint32_t)x;
	}
	for (i = 0; i < CALLS; i++)
		syscall(SYS_getppid);
}

static int
compare(const void *a, const void *b)
{
	const int64_t *x = a, *y = b;

	return ((*x > *y) - (*x < *y));
}

int
main(void)
{
	int64_t times[TIMES], start;
	int i;

	work();
	for (i = 0; i < TIMES; i++) {
		start = cpu_now();
		work();
		times[i] = cpu_now() - start;
	}
	qsort(times, TIMES, sizeof(times[0]), compare);
	printf("%lld\n", (long long)times[TIMES / 2]);
	return (0);
}
