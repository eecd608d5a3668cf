/*
 * The HTTP server: two listening sockets, few connections, one request on each.
 * It reads a head, has it answered, writes the answer as the peer takes it, and
 * closes.
 */
#ifndef WORKER_ADMIN_SERVER_H
#define WORKER_ADMIN_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/queue.h>

#include "worker/loop/loop.h"

struct admin;
struct conn;

/* Of each listening socket, so that nobody who may use one keeps others from
 * the other. A new one takes the place of that which has been sending its
 * request for the longest time. */
#define SERVER_CONNS_MAX 32

TAILQ_HEAD(conn_list, conn);

struct door {
	struct server *server;
	struct loop_fd fd;
	bool control;
	size_t nconns;
	bool shut; /* nobody is accepted until `again` */
	struct timer again;
};

struct server {
	struct admin *admin;
	struct loop *loop;
	struct door http, operator;
	struct conn_list conns; /* the oldest first */
};

/* The descriptors, -1 for none, stay the caller's. 0 or -errno. */
int server_start(
    struct server *, struct admin *, struct loop *, int http, int operator);

/* No more are accepted. */
void server_drain(struct server *);

/* No request is under way. */
bool server_is_empty(const struct server *);

/* Cuts all connections. */
void server_stop(struct server *);

#endif
