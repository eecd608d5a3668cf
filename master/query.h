/* sniport -q: which rule decides for a target and a client, and how. */
#ifndef MASTER_QUERY_H
#define MASTER_QUERY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct generation;

enum query_result {
	QUERY_ALLOWED = 0, /* the exit status; also where it is reported */
	QUERY_DENIED = 1,
	QUERY_BAD = 2
};

struct query {
	const char *target; /* as a server name without default_port */
	/* The client's address at most once, and its identities. */
	const char *const *clients;
	size_t nclients;
	bool explain; /* say of each rule why it does not match */
};

/*
 * Says on out what a tunnel would meet, on err what is wrong with the
 * arguments.
 */
enum query_result query_run(
    const struct generation *, const struct query *, FILE *out, FILE *err);

#endif
