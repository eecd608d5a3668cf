/*
 * The descriptors of a worker that are for the attempts of dials beyond the
 * first of each, and which client has how many of them. Pure.
 */
#ifndef WORKER_DIAL_RACES_H
#define WORKER_DIAL_RACES_H

#include <stdbool.h>
#include <stdint.h>

/* Clients whose numbers fall together have one share. */
#define RACES_SHARES 1024

struct races {
	uint64_t most, n;
	uint64_t of[RACES_SHARES];
};

/* There are so many, and all are free. */
void races_init(struct races *, uint64_t most);

/* May this client, a hash, have one more? It has no more than are left to the
 * others. */
bool races_room(const struct races *, uint64_t client);

/* It takes so many more, or gives them back. */
void races_take(struct races *, uint64_t client, uint64_t n);
void races_give(struct races *, uint64_t client, uint64_t n);

#endif
