/*
 * The sockets that the admin process serves: bound by the master, and kept over
 * reloads, so that nobody who asks is refused meanwhile.
 */
#ifndef MASTER_ADMIN_SOCKET_H
#define MASTER_ADMIN_SOCKET_H

#include <stdbool.h>
#include <sys/types.h>

struct conf;
struct findings;
struct run_as;
struct service;

#define ADMIN_PLACE_SIZE 108

struct admin_socket {
	int fd;			      /* -1: there is none */
	char place[ADMIN_PLACE_SIZE]; /* as configured */
	bool path;		      /* of the file system, then: */
	dev_t device;
	ino_t inode;
};

/* One for HTTP, one for the operator's commands. */
enum admin_door {
	ADMIN_HTTP,
	ADMIN_OPERATOR,
	ADMIN_DOORS
};

struct admin_sockets {
	struct admin_socket now[ADMIN_DOORS], next[ADMIN_DOORS];
};

void admin_sockets_init(struct admin_sockets *);

/* Closes all, and removes their files, if they are still ours. */
void admin_sockets_fini(struct admin_sockets *);

/*
 * Begins a change: binds what the configuration wants and what is not there. 0,
 * or -errno with the cause in findings; that the control socket cannot be had
 * at its default place is a warning alone. Then a commit or a rollback has to
 * follow, each of which is a no-op where nothing has begun.
 */
int admin_sockets_prepare(struct admin_sockets *, const struct conf *,
    const struct run_as *, struct findings *);

/* Could they be had, as far as can be told without taking them from a sniport
 * that runs? What is wrong goes to findings. */
void admin_sockets_try(
    const struct conf *, const struct service *, struct findings *);

void admin_sockets_commit(struct admin_sockets *);
void admin_sockets_rollback(struct admin_sockets *);

#endif
