/* A connection of the HTTP server, for server.c alone. */
#ifndef WORKER_ADMIN_CONN_H
#define WORKER_ADMIN_CONN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "worker/admin/exchange.h"
#include "worker/admin/server.h"

enum conn_phase {
	CONN_READING,
	CONN_ANSWERING,
	CONN_CLOSING /* until the peer has closed, too */
};

#define CONN_OUT_SIZE ((size_t)64 * 1024)

struct conn {
	TAILQ_ENTRY(conn) entry;
	struct loop_fd fd;
	struct timer timer;
	struct loop_garbage garbage;
	struct loop_task task; /* it goes on, not having waited for the peer */
	struct door *door;
	enum conn_phase phase;
	char in[HTTP_HEAD_MAX];
	size_t in_len;
	struct http_request request;
	struct exchange exchange;
	struct text text;
	const char *allow;
	bool begun; /* the head of the answer is there */
	bool chunked, no_body;
	bool waiting; /* for exchange_wake() */
	bool ended;   /* all of the answer is in `out` */
	bool gone;
	size_t start, end; /* what of `out` is to be sent */
	char *out;	   /* of CONN_OUT_SIZE */
};

/* Owns the descriptor. -ENOMEM: it is closed. */
int conn_new(struct door *, int fd);

/* Cuts it. */
void conn_drop(struct conn *);

#endif
