/*
 * Watches whether this host has what the egress lines name, and tells it on the
 * board and in the error log. Tunnels find out by themselves.
 */
#ifndef MASTER_LINES_H
#define MASTER_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct line_look;
struct master;

struct lines {
	int fd; /* by which the kernel tells of changes; -1: none */
	int64_t look_at, not_before;
	struct line_look *seen; /* of each line of the current generation */
	size_t n;
};

void lines_init(struct lines *);
void lines_fini(struct lines *);

/* There is another current generation: looks, and tells of nothing, since who
 * loaded it has (egress_check.h). */
void lines_renew(struct master *, int64_t now);

/* Was it the kernel that told of something? Takes that. */
bool lines_receive(struct master *, const void *what, int64_t now);

/* Looks if it is time to; returns when it is next. */
int64_t lines_tick(struct master *, int64_t now);

#endif
