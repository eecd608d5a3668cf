/* The audit line: one record per tunnel that says truthfully what happened. */
#ifndef COMMON_LOG_AUDIT_H
#define COMMON_LOG_AUDIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/net/addr.h"
#include "common/net/target.h"
#include "common/policy/rule.h"
#include "common/reason.h"

#define AUDIT_TRIED_MAX 16

/* Room for who, whither and why, which are never left out. */
#define AUDIT_SIZE_MIN 1024

struct sink;

enum audit_event {
	AUDIT_CONNECT, /* the tunnel is established; it goes on */
	AUDIT_END      /* the one line that every tunnel has */
};

enum audit_syntax {
	AUDIT_JSON,
	AUDIT_TEXT
};

enum audit_side {
	AUDIT_SIDE_NONE, /* sniport itself */
	AUDIT_SIDE_CLIENT,
	AUDIT_SIDE_UPSTREAM
};

/* One dialled (or guarded) address and what became of it. */
struct audit_try {
	struct addr addr;
	enum reason reason; /* NONE: chosen, or still open when another won */
};

/* Everything known of a tunnel. Pointers are borrowed for the call; what is
 * not known yet is 0, NULL or -1 and its field is left out. */
struct audit_record {
	enum audit_event event;
	uint64_t tunnel; /* unique with generation and worker */
	unsigned worker, generation;
	int64_t start; /* wall clock, ns */
	struct addr client;
	const char *listener;
	const uint8_t *server_name; /* raw; NULL: none came */
	size_t server_name_len;
	const struct target *target;
	const char *rule;
	const char *decision;	/* "allow", "deny" or "report" (allowed, but it
			       * would have been denied); NULL: not reached */
	enum reason would_deny; /* why, where the decision is "report" */
	const char *identity;	/* of the client's verified certificate */
	struct addr proxy; /* who sent the PROXY header; family 0: nobody */
	const char *line;  /* the egress line's name */
	enum reason reason;
	const char *detail; /* error text of OpenSSL or the system */
	const struct audit_try *tried;
	size_t ntried;
	struct addr upstream; /* the chosen address */
	struct addr egress;   /* our local address and port towards it */
	const char *tls_version, *tls_cipher;
	int resumed; /* -1: no handshake */
	bool client_truncated;
	int64_t hello_ns, handshake_ns, dns_ns, connect_ns, total_ns; /* -1 */
	uint64_t bytes_from_client,
	    bytes_from_upstream; /* plaintext passed on */
	enum audit_side closed_first;
};

/*
 * Formats the record as one line with its newline into buf, of AUDIT_SIZE_MIN
 * bytes at least; never more than SINK_LINE_MAX bytes. What has no room is
 * left out, and "cut" says so. Returns the length. Pure.
 */
size_t audit_format(
    const struct audit_record *, enum audit_syntax, char *buf, size_t size);

/* Formats and writes. 0, or -errno of sink_write (the line is lost). */
int audit_write(struct sink *, enum audit_syntax, const struct audit_record *);

/* Writes a record that says how many lines before it were dropped. */
int audit_write_dropped(struct sink *, enum audit_syntax, unsigned worker,
    unsigned generation, uint64_t count);

/* Is it such a line? */
bool audit_tells_dropped(const char *line, size_t len);

#endif
