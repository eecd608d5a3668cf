/*
 * The one thread of the load generator: what it watches, and its lines to and
 * from who started it. Either it sleeps between events, or, for exact numbers,
 * it never does: whoever wakes it then pays nothing for that.
 */
#ifndef BENCH_LOAD_LOOP_H
#define BENCH_LOAD_LOOP_H

#include <netinet/in.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Begins each thing that is watched; such a thing is allocated with calloc. */
struct watch {
	void (*ready)(struct watch *, uint32_t events);
	int fd;
	struct watch *next; /* of those that are to be freed */
};

void loop_init(bool spin);

/* Events are epoll(7)'s. */
void watch_add(struct watch *, uint32_t events);
void watch_change(struct watch *, uint32_t events);

/* Closes its descriptor, and frees it when nothing can name it any more. */
void watch_free(struct watch *);

/*
 * Is called in each turn with the time; returns when it wants to be called
 * again at the latest, CLOCK_NEVER: after events only. NULL: nobody.
 */
void loop_tick(int64_t (*tick)(int64_t now));

/* While there is work the loop does not sleep, if it may do so. */
void loop_busy(bool);

/* Runs until the code ends the process. */
void loop_run(void) __attribute__((__noreturn__));

/* A line to who started the program; the newline is added. */
void say(const char *format, ...) __attribute__((__format__(printf, 1, 2)));

struct sockaddr_in loopback(uint16_t port);
void set_nodelay(int fd);

/* A number of at most max; ends the program with a message on others. */
uint64_t number(const char *text, uint64_t max);

/* Memory that is zero, or the end of the program. */
void *must_calloc(size_t n, size_t size);

#endif
