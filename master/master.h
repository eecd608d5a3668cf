/*
 * The master's state and its loop: signals, control sockets and deadlines,
 * one after the other, in one thread.
 */
#ifndef MASTER_MASTER_H
#define MASTER_MASTER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "master/admin.h"
#include "master/crew.h"
#include "master/fdstore.h"
#include "master/fetch.h"
#include "master/findings.h"
#include "master/lines.h"
#include "master/listener.h"
#include "master/logs.h"
#include "master/memory.h"
#include "master/notify.h"
#include "master/regain.h"
#include "master/renewal.h"
#include "master/report.h"
#include "master/upgrade.h"

struct generation;
struct legacy;
struct log;
struct shm;

enum master_phase {
	MASTER_RUNNING,
	MASTER_GRACE,	 /* told to stop, serves on as ever for a while */
	MASTER_DRAINING, /* told to stop, tunnels may end by themselves */
	MASTER_ENDING	 /* told to stop at once, or never came to start */
};

struct master {
	const char *file; /* the configuration */
	enum master_phase phase;
	int exit_status;
	int epoll_fd, signal_fd;
	struct shm *shm;
	struct notify notify;
	struct fdstore fdstore;
	struct listener_set listeners;
	struct admin admin;
	struct lines lines;
	struct logs logs;
	struct crew_list crews; /* of generations, the oldest first */
	TAILQ_HEAD(legacy_list, legacy) legacies;
	struct crew *current;	    /* NULL until the start has succeeded */
	struct generation *loading; /* without a crew yet; NULL: none */
	bool reading;		    /* a configuration is being read */
	struct crew *next;	    /* being started; NULL: none */
	unsigned last_number;	    /* of a generation */
	size_t serving;	   /* workers of the current one, as was told */
	char failure[512]; /* of the last reload; "": it was done */
	struct {
		uint64_t tunnels, old; /* open, and how many of them in old
					* generations, as was told */
		int64_t look_at;
	} status;
	struct report_map reports; /* of loads */
	bool reload_wanted;
	int64_t reload_began;
	struct findings findings; /* of the (re)load under way */
	struct log *log;  /* of the current generation, at first stderr */
	bool reap_wanted; /* SIGCHLD came */
	int64_t limit_at; /* when old generations are counted; NEVER */
	struct fetch fetch;
	struct regain regain;
	struct memory_watch memory;
	struct upgrade upgrade;
	struct renewal renewal;
	int64_t watchdog_at; /* next WATCHDOG=1 */
	int64_t extend_at;   /* next EXTEND_TIMEOUT_USEC */
	int64_t stop_until;  /* what the grace, or the stop, may take */
	int64_t
	    logs_until; /* all workers are gone: what logs may take; NEVER */
	bool done;	/* the error log says so: nothing more goes there */
};

/* Are connections accepted, and workers replaced? */
static inline bool
master_serves(const struct master *m)
{
	return (m->phase == MASTER_RUNNING || m->phase == MASTER_GRACE);
}

/* Waits and does what is to be done, until a stop is over. 0 or -errno: it
 * cannot wait. */
int master_loop(struct master *);

#endif
