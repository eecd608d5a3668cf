/*
 * The listening sockets of one address: SO_REUSEPORT sockets, of which number
 * i is worker i's, in every generation.
 *
 * A program in the kernel chooses among them by their place in its list. A new
 * socket takes the place behind the last (listen(2)); where one leaves, the
 * last takes its place (Linux 4.5 to 6.18, reuseport_detach_sock()). That is
 * followed here.
 */
#ifndef MASTER_GROUP_H
#define MASTER_GROUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "common/base/clock.h"
#include "common/boot.h"
#include "common/net/addr.h"
#include "master/worker_set.h"

/* Of a socket that does not listen, or is not in the store. */
#define GROUP_NOWHERE SIZE_MAX

/* Workers close their copies of surplus sockets, then we close ours. */
#define GROUP_SURPLUS_TIME (BOOT_SURPLUS_TIME + CLOCK_SEC)

/* Where is to be listened. Flat. */
struct listener_at {
	struct addr addr; /* as configured */
	bool dual_stack;
	bool freebind;		   /* how it is bound, and not where */
	char name[ADDR_TEXT_SIZE]; /* as written */
};

struct fdstore;

struct group {
	TAILQ_ENTRY(group) entry;
	struct listener_at at;
	int *fds; /* -1: was handed to whom it is kept for */
	size_t *places;
	size_t *stored; /* the places that their names in the store have */
	size_t nfds;
	size_t nplaces;	 /* in the kernel's list */
	size_t before;	 /* of fds, how many stood before the change */
	size_t live;	 /* the workers are so many; 0: the group is new and
			   * has no say yet */
	size_t open;	 /* new connections go to the first so many */
	bool wanted;	 /* the new configuration has it */
	bool was_free;	 /* at.freebind before the change */
	bool shared;	 /* one socket, which was inherited, for all workers */
	bool found;	 /* was inherited, and was never wanted yet */
	bool told;	 /* that it is inherited and not wanted */
	unsigned serial; /* of its names in the store */
	struct fdstore *store; /* borrowed; NULL: there is none */
	int64_t close_at;      /* when fds[live] and up are closed, or NEVER */
};

/* Without sockets, owned by the caller; NULL: no memory. */
struct group *group_new(const struct listener_at *);

/* Closes everything. */
void group_free(struct group *);

/*
 * Makes it one of n sockets that were inherited, which listen and stand in the
 * kernel's list in that order; or, if it is to be shared, of one that stands in
 * none. Takes the sockets. 0 or -ENOMEM.
 */
int group_adopt(struct group *, const int *fds, size_t n, bool shared);

/* Puts all sockets of workers that serve into the store, under the names that
 * they are to have there. 0, or -EAGAIN if it is to be tried again. */
int group_store(struct group *);

/* Takes all out of the store. */
void group_unstore(struct group *);

/* Opens sockets until there are n, with keep-alive for so much silence. 0, or
 * -errno with *step set to what failed. */
int group_grow(struct group *, size_t n, int64_t silence, const char **step);

/* Closes all but the first n sockets, for other processes as well. */
void group_shut(struct group *, size_t n);

/*
 * Steers new connections to the first `open` sockets only, and among these to
 * those whose workers are not away, unless all are. The program is set anew,
 * whatever was there. Where all are open it can be left out, unless the group
 * is about to grow. 0 or -errno.
 */
int group_steer(struct group *, const struct worker_set *away, bool grows);

/*
 * Looks whether each socket still listens, and opens another one where it does
 * not. The rest are given their options anew. If more than one was deaf, the
 * kernel's list is not known any more, and all are opened anew. Adds the
 * numbers of those that were opened to *renewed, and returns how many they are;
 * or -errno, if only some could be opened.
 */
int group_heal(struct group *, int64_t silence, struct worker_set *renewed);

#endif
