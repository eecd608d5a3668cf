/*
 * Accepts the connections that wait for workers that are down, and hands them
 * to those that serve, in turn. No worker is ever given a listening socket of
 * another, since its filter guards only the sockets that it was born with.
 */
#ifndef MASTER_FETCH_H
#define MASTER_FETCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/log/log.h"

struct child;
struct crew;
struct master;

struct fetch {
	int epoll_fd;	  /* of the sockets; -1: no worker is down */
	bool blocked;	  /* until somebody has taken what was handed to him */
	int64_t again_at; /* when there is something to accept; NEVER */
	int left;	  /* so many may be accepted in this turn */
	size_t turn;	  /* the seat whose turn it is */
	struct log_rate rate;
};

void fetch_init(struct fetch *);

/* Closes its descriptors; what is on its way stays with the children. */
void fetch_fini(struct master *);

/* To be called when seats of the current crew become covered or cease to
 * be, and when its sockets change. */
void fetch_watch(struct master *, int64_t now);

/* Is that what an event of the master's loop points to? Then it is taken. */
bool fetch_receive(struct master *, const void *, int64_t now);

/* Accepts, a bounded number, and hands over. Returns when it is to be called
 * again. */
int64_t fetch_tick(struct master *, int64_t now);

#endif
