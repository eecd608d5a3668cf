/*
 * The listening sockets: for each address a group of SO_REUSEPORT sockets,
 * one per worker, which the master keeps open as long as the address is
 * configured, so that no queued connection dies with a worker or a reload.
 *
 * Socket i of a group is worker i's, in every generation. The kernel (6.1,
 * 6.18) keeps a group in the order of listen(2) as long as sockets leave it
 * from its end, which is what lets a program pick the first M of them.
 */
#ifndef MASTER_LISTENER_H
#define MASTER_LISTENER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "common/addr.h"
#include "common/boot.h"
#include "common/clock.h"
#include "common/conf.h"

struct findings;

struct listener_group {
	TAILQ_ENTRY(listener_group) entry;
	struct addr addr; /* as configured */
	bool dual_stack;
	int *fds;
	size_t nfds;
	size_t before;	  /* of them, how many stood before the change */
	size_t live;	  /* new connections go to the first so many; 0: the
			   * group is new and has no say yet */
	size_t steered;	  /* the program in force: modulo so many; 0: none */
	bool wanted;	  /* the new configuration has it */
	int64_t close_at; /* when fds[live] and up are closed, or NEVER */
	char name[ADDR_TEXT_SIZE];
};

TAILQ_HEAD(listener_groups, listener_group);

struct listener_set {
	struct listener_groups groups;
	bool changing; /* between prepare and commit or rollback */
};

void listener_init(struct listener_set *);

/* Closes everything. */
void listener_fini(struct listener_set *);

/*
 * Begins a change: binds what the configuration with so many workers needs
 * and does not have. Until the commit no new connection reaches a socket
 * that may have to be closed again, except on a new address. 0, or -errno
 * with the cause in findings; then the set is as before.
 */
int listener_prepare(struct listener_set *, const struct conf *,
    size_t nworkers, struct findings *);

/* Ends a change that failed: the set is as before. */
void listener_rollback(struct listener_set *);

/*
 * Ends a change that succeeded: new connections go to the sockets of the new
 * workers. Groups that are not wanted any more stay until
 * listener_close_removed(), so that the old workers can be told first.
 */
void listener_commit(struct listener_set *, size_t nworkers, int64_t now);
void listener_close_removed(struct listener_set *);

/* Connections that are made from now on have such a fd_keepalive(). */
void listener_keepalive(struct listener_set *, int64_t silence);

/* Closes surplus sockets whose time is over; returns when the next is due. */
int64_t listener_tick(struct listener_set *, int64_t now);

/*
 * What worker number `worker` of nworkers inherits: its own socket of each
 * address, and its share of the surplus. *sockets is owned by the caller
 * (free). 0 or -ENOMEM.
 */
int listener_sockets(struct listener_set *, const struct conf *,
    unsigned worker, size_t nworkers, int64_t now, struct boot_socket **sockets,
    size_t *nsockets);

/* A bit per listener of `old` whose address `new` does not have. Pure. */
uint64_t listener_gone(const struct conf *old, const struct conf *new);

#endif
