/*
 * The reader of ClientHellos, on the bytes as they come from the wire and
 * before any TLS object exists, so that both TLS libraries serve the same
 * hellos, and none of them is asked for the name. Pure.
 */
#ifndef WORKER_TLS_CLIENT_HELLO_H
#define WORKER_TLS_CLIENT_HELLO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/reason.h"

/* Why a hello is refused. */
struct client_hello_fault {
	enum reason reason;
	uint8_t alert;	 /* to answer with; 0: none */
	const char *why; /* static; NULL: the reason says all */
};

/* How far the records of one hello were followed; zeroed at first. */
struct client_hello_scan {
	size_t at;     /* all before it are whole records that were judged */
	size_t got;    /* bytes of the message in them */
	size_t length; /* of the message, once its header was seen */
	uint8_t head[4];
	bool begun;	/* a record of the message was seen */
	bool scattered; /* the message is not in one piece */
	bool second;	/* set by the caller: it follows a HelloRetryRequest */
};

enum client_hello_progress {
	CLIENT_HELLO_MORE,  /* so far it is good, and goes on */
	CLIENT_HELLO_WHOLE, /* it ends at scan->at */
	/* Of a second one: */
	CLIENT_HELLO_PASS, /* it may follow what stands before scan->at, which
			    * is the TLS library's, like all that is no hello */
	CLIENT_HELLO_NONE, /* something else came */
	CLIENT_HELLO_BAD
};

/*
 * Goes on through a stream of TLS plaintext records (RFC 8446 section 5.1),
 * all len bytes of which are there from the first on. max: how many of them
 * the hello may take, headers included. The verdict does not depend on how
 * many bytes each call has more than the one before. BAD fills the fault:
 * NOT_TLS, CLIENT_HELLO_TOO_BIG, TLS_VERSION (a hello of SSL 2), or
 * TLS_HANDSHAKE with its alert.
 */
enum client_hello_progress client_hello_follow(struct client_hello_scan *,
    const uint8_t *bytes, size_t len, size_t max, struct client_hello_fault *);

/*
 * The message of a whole hello, without the records' headers and its own:
 * where it is scattered, gathered in room, which holds scan->length bytes, else
 * within bytes. scan->length says how long it is.
 */
const uint8_t *client_hello_message(
    const struct client_hello_scan *, const uint8_t *bytes, uint8_t *room);

/* What a hello says. */
struct client_hello {
	uint16_t version;    /* the legacy field */
	const uint8_t *name; /* in the message; NULL: none */
	size_t name_len;
	enum reason reason; /* NONE; SNI_MISSING; SNI_MALFORMED */
};

/*
 * Reads the message (RFC 8446 section 4.1.2, RFC 5246 section 7.4.1.2). False
 * with the fault where its bytes are no ClientHello, or have an extension
 * twice. What versions, ciphers and other extensions are worth is left to the
 * TLS library.
 */
bool client_hello_read(struct client_hello *, const uint8_t *message,
    size_t len, struct client_hello_fault *);

/*
 * Finds the one host_name in the body of a server_name extension (RFC 6066
 * section 3). REASON_NONE with *name (within ext, may be empty) and *len;
 * REASON_SNI_MALFORMED where the bytes are anything but a list of exactly one
 * entry of type host_name.
 */
enum reason client_hello_server_name(
    const uint8_t *ext, size_t ext_len, const uint8_t **name, size_t *len);

#endif
