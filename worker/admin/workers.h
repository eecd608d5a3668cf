/*
 * The workers that there are, of all generations, as the master has told, and
 * the tables of their tunnels.
 */
#ifndef WORKER_ADMIN_WORKERS_H
#define WORKER_ADMIN_WORKERS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "common/boot.h"

struct worker_seen {
	TAILQ_ENTRY(worker_seen) entry;
	struct boot_worker boot; /* its table is this one's */
	uint64_t serial;	 /* no other one has it, not even later */
	const void *map;	 /* of its table; NULL: not yet */
	size_t size;
};

struct workers {
	TAILQ_HEAD(worker_list, worker_seen) list; /* by serial */
	uint64_t last;				   /* serial */
};

void workers_init(struct workers *);
void workers_fini(struct workers *);

/* Takes the table, whatever comes of it. 0 or -ENOMEM. */
int workers_add(struct workers *, const struct boot_worker *);

/* No-op where there is none with that slot. */
void workers_remove(struct workers *, int slot);

/* The first whose serial is higher, so that who goes through them finds his
 * place again though some are gone; NULL: there are no more. */
struct worker_seen *workers_next(const struct workers *, uint64_t serial);

/* How many generations there are workers of, beside that one. */
unsigned workers_generations(const struct workers *, uint64_t beside);

/* Its table, to be read as hostile input (table_reader_init()): 0 with map and
 * size set, or -errno. It stays as long as the worker does. */
int workers_map(struct worker_seen *);

#endif
