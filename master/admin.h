/*
 * The admin process, as the master sees it: started anew at each reload, with
 * all that it is to show, and when it has died. Nothing that serves clients
 * depends on it.
 */
#ifndef MASTER_ADMIN_H
#define MASTER_ADMIN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>

#include "master/admin_socket.h"
#include "master/backoff.h"

struct child;
struct master;

/* From its fork until it is reaped. */
struct admin_child {
	TAILQ_ENTRY(admin_child) entry;
	pid_t pid;
	int control_fd; /* -1: it has closed its end */
	int64_t started;
	int64_t kill_at; /* when patience ends; NEVER */
	bool draining;	 /* another has its place */
	/* As of a worker, see crew.h. */
	bool asked;
	int64_t asked_at, missed;
};

struct admin {
	struct admin_sockets sockets;
	TAILQ_HEAD(admin_list, admin_child) children;
	struct admin_child *current; /* NULL: there is none */
	struct backoff backoff;
	int64_t start_at; /* when there is none: start one; NEVER */
};

void admin_init(struct admin *);

/* Kills all, waits for them, and closes the sockets. */
void admin_fini(struct master *);

/* Starts one that knows all workers of all generations; the one before answers
 * what it was asked, and ends. */
void admin_renew(struct master *, int64_t now);

/* Has it know of a worker that was started, or that is gone. */
void admin_tell_worker(struct master *, const struct child *);
void admin_tell_gone(struct master *, const struct child *);

/* Is that what an event of the master's loop points to? Then it is taken. */
bool admin_receive(struct master *, const void *, int64_t now);

/* A process has ended. False: it was none of these. */
bool admin_reaped(struct master *, pid_t, int status, int64_t now);

/* Starts one where it is time, and kills those that stand still; returns when
 * to look again. */
int64_t admin_tick(struct master *, int64_t now);

#endif
