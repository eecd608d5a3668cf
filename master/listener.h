/*
 * The listening sockets: for each address a group of SO_REUSEPORT sockets,
 * one per worker, which the master keeps open as long as the address is
 * configured, so that no queued connection dies with a worker or a reload.
 */
#ifndef MASTER_LISTENER_H
#define MASTER_LISTENER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "master/group.h"

struct boot_socket;
struct conf;
struct conf_listener;
struct fdstore;
struct findings;
struct log;
struct terms;

TAILQ_HEAD(groups, group);

struct listener_set {
	struct groups groups;
	struct worker_set away;
	bool changing;	       /* between prepare and commit or rollback */
	struct fdstore *store; /* borrowed; NULL: nothing is kept there */
	unsigned last_serial;
	bool too_many; /* for the store, as was told */
};

void listener_init(struct listener_set *);

/* Closes everything. */
void listener_fini(struct listener_set *);

/*
 * Takes up n sockets of an address that was inherited, which listen: of a
 * store, in the order of the kernel's list, with their serial; or one, with
 * serial 0, of a manager that keeps it, to be shared by all workers. They stay
 * until the first commit decides. Takes the sockets, unless it fails. 0;
 * -EEXIST: that address has some; or -ENOMEM.
 */
int listener_adopt(struct listener_set *, const struct listener_at *,
    unsigned serial, const int *fds, size_t n);

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
 * workers, none of whom is away. Groups that are not wanted any more stay until
 * listener_close_removed(), so that the old workers can be told first; and for
 * ever where they are the manager's, which is logged.
 */
void listener_commit(struct listener_set *, size_t nworkers, int64_t now);
void listener_close_removed(struct listener_set *, struct log *);

/* Brings the store up to date, if there is one and if it has room for all;
 * returns when to try again. */
int64_t listener_store(struct listener_set *, struct log *, int64_t now);

/* Do the sockets outlive this process, with what waits there, or will they
 * after the commit? */
bool listener_is_kept(const struct listener_set *);

/* Probes dead peers of sockets accepted from now on after so many ns. */
void listener_keepalive(struct listener_set *, int64_t silence);

/* New connections go to the sockets of other workers than these, as far as
 * there are others. 0, or -errno: some may still come to them. */
int listener_away(struct listener_set *, const struct worker_set *);

/*
 * Repairs what a worker may have done to its sockets. One that does not listen
 * any more is replaced and logged, and its number is added to *renewed. All are
 * given their options and their program anew.
 */
void listener_heal(struct listener_set *, int64_t silence, struct log *,
    struct worker_set *renewed);

/* Closes surplus sockets whose time is over; returns when the next is due. */
int64_t listener_tick(struct listener_set *, int64_t now);

/* The group of that listener; NULL: there is none. */
struct group *listener_find(
    const struct listener_set *, const struct listener_at *);

/* Where the configuration wants a listener. */
void listener_place(struct listener_at *, const struct conf_listener *);

/* Is it the same address? */
bool listener_same(const struct listener_at *, const struct listener_at *);

/*
 * What worker number `worker` of nworkers inherits: its own socket of each
 * address, and its share of the surplus. *sockets is owned by the caller
 * (free). 0 or -ENOMEM.
 */
int listener_sockets(struct listener_set *, const struct terms *,
    unsigned worker, size_t nworkers, int64_t now, struct boot_socket **sockets,
    size_t *nsockets);

/*
 * The same of those listeners alone, and takes these sockets out of the set,
 * which is not to be used for them any more; *sockets has to be closed, too.
 */
int listener_take(struct listener_set *, const struct terms *,
    uint64_t listeners, unsigned worker, size_t nworkers,
    struct boot_socket **sockets, size_t *nsockets);

/* A bit per listener of `old` whose address `new` does not have. Pure. */
uint64_t listener_gone(const struct terms *old, const struct terms *new);

#endif
