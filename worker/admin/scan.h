/*
 * Goes through the tunnels that are open, one look at a time, and finds those
 * that a query asks for.
 */
#ifndef WORKER_ADMIN_SCAN_H
#define WORKER_ADMIN_SCAN_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/piece.h"
#include "common/net/addr.h"
#include "common/shm/table.h"
#include "worker/admin/http.h"

struct admin;
struct exchange;
struct facts_names;
struct worker_seen;

/* What a query may ask for; all of it has to be so. */
struct filter {
	struct piece id, target, host, rule, identity, generation;
	bool has_client;
	struct cidr client;
};

struct scan {
	struct filter filter;
	unsigned filters;    /* that the query has */
	struct piece format; /* what it says of it; s NULL: nothing */
	/* How far it has come. */
	uint64_t serial; /* of the worker whose table is read */
	bool reading;
	struct table_reader reader;
	/* What was found: the facts of a tunnel that is open, with its age, and
	 * whose it is. */
	struct table_entry entry;
	const struct worker_seen *worker;
	const struct facts_names *names;
	char query[HTTP_HEAD_MAX];
};

enum scan_look {
	SCAN_END,
	SCAN_NOTHING, /* this time */
	SCAN_FOUND
};

/* Reads the query. False: it makes no sense, and that is the answer. */
bool scan_init(struct scan *, struct exchange *);

/* Begins from the beginning. */
void scan_begin(struct scan *);

/* Looks at one tunnel. */
enum scan_look scan_next(struct scan *, const struct admin *);

#endif
