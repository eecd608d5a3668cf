/*
 * The logs of all generations. Those that name the same target share it, and
 * its writer where it may block (writer.h).
 */
#ifndef MASTER_LOGS_H
#define MASTER_LOGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>

#include "master/writer.h"

/* A log that takes nothing for so long stands still. */
#define LOGS_PATIENCE (5 * CLOCK_SEC)

struct log;
struct run_as;
struct sink;

enum logs_role {
	LOGS_ERROR,
	LOGS_AUDIT
};

struct logs_entry;

struct logs {
	TAILQ_HEAD(logs_list, logs_entry) list;
	int epoll_fd; /* tells of writers: data.ptr is the entry; borrowed */
	struct writer_forget forget;
};

void logs_init(struct logs *, int epoll_fd, const struct writer_forget *);

/* Closes all, as it stands. No entry may be in use. */
void logs_fini(struct logs *);

/*
 * Opens a target for a role. Where another generation has it already it is
 * shared, and opened anew if it is a file. 0 with *entry, to be released; or
 * -errno.
 */
int logs_open(struct logs *, enum logs_role, const char *target,
    const struct run_as *, struct logs_entry **entry);

/* Lives as long as the entry. */
struct sink *logs_sink(const struct logs_entry *);

/* What nobody uses is closed once its lines are written. */
void logs_release(struct logs_entry *);

/* Opens all files anew, and logs how many. A log whose file cannot be opened
 * goes on with the old one. */
void logs_reopen(struct logs *, struct log *);

/* A writer says something. False: the pointer of the event is no entry. */
bool logs_receive(struct logs *, const void *entry, struct log *);

/* A process has ended that is no worker. */
void logs_reaped(struct logs *, pid_t, int status, int64_t now, struct log *);

/* Writes what waits, replaces writers, says which log takes nothing; returns
 * when to look again. */
int64_t logs_tick(struct logs *, int64_t now, struct log *);

/* Somebody else has waited in vain since then for this log to take lines. */
void logs_stood(struct logs_entry *, int64_t since);

/* Do lines wait that it does not take? */
bool logs_is_behind(struct logs_entry *, int64_t now);

struct logs_bounds {
	int64_t until; /* lines are waited for as long as any are taken */
	int64_t end;   /* and from then on for 1 s without any, until here */
};

/*
 * At the end, when no worker is left: has everything of that role been written?
 * What is not in time, or has stood still for 5 s, is given up, and *lost
 * increased by the lines that are lost then. To be called until it is true.
 */
bool logs_finish(struct logs *, enum logs_role, int64_t now,
    const struct logs_bounds *, uint64_t *lost);

#endif
