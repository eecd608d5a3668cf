/*
 * One TLS client, driven by events. It offers one version, one cipher suite and
 * one group, whatever the proxy would choose, so that all proxies do the same.
 */
#ifndef BENCH_LOAD_CLIENT_H
#define BENCH_LOAD_CLIENT_H

#include <stdbool.h>

#include <openssl/ssl.h>

#include "t/bench/load/loop.h"

/* The proxy, and whom it is asked for. */
struct server {
	uint16_t port;
	/* '@' becomes the next port of the upstream, '#' the next number. */
	const char *name;
	uint64_t numbers; /* '#' begins anew after so many */
	uint64_t next;	  /* number of connections so far */
	uint64_t source;  /* which of our addresses come first */
};

enum client_phase {
	CLIENT_HANDSHAKE,
	CLIENT_OPEN,
	CLIENT_CLOSING
};

struct client;

/* What becomes of a client; each may be NULL. */
struct client_use {
	void (*opened)(struct client *); /* the handshake is done */
	void (*input)(struct client *);	 /* there may be something to read */
	void (*output)(struct client *); /* client_write() may go on */
	/* It is over, and freed after this. Closed as it should be? */
	void (*closed)(struct client *, bool well);
};

struct client {
	struct watch watch;
	SSL *ssl;
	const struct client_use *use;
	SSL_SESSION **session; /* where the newest is kept, or NULL */
	enum client_phase phase;
	bool resumed, blocked;
	unsigned index;	   /* of the user */
	uint64_t left;	   /* of the user */
	int64_t began;	   /* of the user */
	struct client *up; /* of the user */
	void *user;	   /* of the user */
};

#define CLIENT_MESSAGE 64
#define CLIENT_RECORD  (16 * 1024)

/* A socket that is connected, or is being so. */
int client_socket(struct server *);

/* Sends a ClientHello as soon as it can. NULL: there was no connection. */
struct client *client_start(
    struct server *, const struct client_use *, SSL_SESSION **session);

/* How much was read; 0: nothing yet; -1: the stream or the client has ended. */
ssize_t client_read(struct client *, void *, size_t);

/* How much was written, 0 where output() will be called; ends on errors. */
size_t client_write(struct client *, const void *, size_t);

/* The same, but -1 where the client has ended, which closed() was told of. */
ssize_t client_try_write(struct client *, const void *, size_t);

/* Writes an order for the upstream, and a message if it is to be sent back. */
void client_order(struct client *, uint8_t order, uint64_t size);
void client_message(struct client *);

/* Ends the stream; closed() is called when the other side has ended its own. */
void client_close(struct client *);

/* Ends it at once, without closed(). */
void client_drop(struct client *);

/* A whole ClientHello for that server, as records. Returns its length. */
size_t client_hello(struct server *, uint8_t *, size_t size);

#endif
