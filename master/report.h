/*
 * A reload is wanted, and what became of it is kept for who asks: findings,
 * whether it took, and what serves now.
 */
#ifndef MASTER_REPORT_H
#define MASTER_REPORT_H

#include <stdbool.h>
#include <stdint.h>

struct codec;
struct master;
struct reports;

struct report_map {
	struct reports *writer; /* NULL: there is none */
	int fd, reader; /* descriptors, to write it and to read it; -1 */
};

/* 0 or -errno. */
int report_open(struct report_map *);
void report_close(struct report_map *);

/* Hands it over to another program, or takes it from one. */
void report_code(struct codec *, struct report_map *);

/* Somebody wants a reload: by a signal, if the token is 0, or the one who will
 * ask for its report by that token. While sniport is stopping there is none. */
void report_want(struct master *, uint64_t token);

/* A (re)load begins; it is over: what its findings are by then, and a summary
 * of what serves now, NULL for a load that failed, are its report. */
void report_begin(const struct master *);
void report_end(const struct master *, const char *summary, int64_t now);

#endif
