/*
 * One request and its answer, for who answers it. A short answer is written at
 * once. A long one is written piece by piece, as the peer takes it, so that
 * none takes more memory than another, and none more than its share of a turn.
 */
#ifndef WORKER_ADMIN_EXCHANGE_H
#define WORKER_ADMIN_EXCHANGE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/queue.h>
#include <sys/socket.h>

#include "worker/admin/http.h"
#include "worker/admin/text.h"

struct admin;

/* So much may be written into `out` by each call. */
#define EXCHANGE_ROOM ((size_t)16 * 1024)

#define EXCHANGE_JSON "application/json"
#define EXCHANGE_TEXT "text/plain; charset=utf-8"

enum exchange_step {
	EXCHANGE_END,
	EXCHANGE_MORE, /* there is more to write */
	EXCHANGE_WAIT  /* exchange_wake() will say when there is; the peer may
			* wait as long as it likes */
};

struct exchange {
	struct admin *admin;
	const struct http_request *request;
	bool on_control;   /* it came by the control socket */
	struct ucred peer; /* who asks there */
	/* The answer. Status and type stand until its first byte is written;
	 * they begin as 200 and EXCHANGE_TEXT. */
	int status;
	const char *type;
	struct text *out;
	/* Writes what there is room for, or looks at some part of what there is
	 * to look at; NULL: all is written. */
	enum exchange_step (*more)(struct exchange *);
	/* To free `state`: the answer is written, or the peer is gone. NULL:
	 * nothing is to be done. */
	void (*done)(struct exchange *);
	void *state;
	/* For who waits: a list of its own. */
	TAILQ_ENTRY(exchange) entry;
	void (*wake)(struct exchange *); /* the server's */
};

static inline void
exchange_wake(struct exchange *e)
{
	e->wake(e);
}

/* The whole answer is that status and that text, with a newline. */
void exchange_say(struct exchange *, int status, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#endif
