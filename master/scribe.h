/*
 * A scribe counts the audit lines that a dead worker has left in its memory,
 * and then writes them. It is a child of the master that lives as long as that
 * takes. It can do nothing else, since what it reads comes from a process that
 * may have been broken into. When one dies, another goes on where it was; a
 * line that two have died of is left out.
 */
#ifndef MASTER_SCRIBE_H
#define MASTER_SCRIBE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "master/privilege.h"
#include "master/writer.h"

struct scribe_state;
struct sink;

/* Where the lines come from. All functions are called in the scribe. */
struct scribe_source {
	/* While descriptors and privileges are there yet. 0, or -errno: there
	 * is nothing that could be read. */
	int (*open)(void *arg);
	/* Goes to the first line from number *at on; *at becomes its number.
	 * *uncounted: the worker has not counted that connection. False: there
	 * is none. */
	bool (*find)(void *arg, uint64_t *at, bool *uncounted);
	/* Composes that line, with its newline: its length. 0: it is false, and
	 * left out. */
	size_t (*compose)(void *arg, char *line, size_t size);
	/* From the first line on again. */
	void (*rewind)(void *arg);
	void *arg;
};

struct scribe {
	struct scribe_source source;
	struct sink *audit; /* borrowed; it does not block */
	struct run_as run_as;
	struct writer_forget forget;
	struct scribe_state *state;
	int memory;	  /* has the state; -1: there is none */
	pid_t pid;	  /* 0: there is none */
	int64_t start_at; /* when there is none: fork one; NEVER */
	int64_t moved_at; /* when it was seen to get on */
	uint64_t at;	  /* how far it was seen */
	uint64_t fatal;	  /* the line that the last one died of */
	unsigned deaths;
	uint64_t fatals; /* lines that two have died of */
};

enum scribe_end {
	SCRIBE_GOES_ON,
	SCRIBE_DONE,
	SCRIBE_GIVEN_UP /* too many have died, or nothing can be read */
};

/* Forks the first one. The struct's first four members are the caller's. 0 or
 * -errno; where it cannot be forked yet, scribe_tick() tries again. */
int scribe_start(struct scribe *, int64_t now);

/* Its process has ended: what now? */
enum scribe_end scribe_ended(struct scribe *, int status, int64_t now);

/* Forks another where it is time, and kills one that stands still without
 * waiting for its log; returns when to look again. */
int64_t scribe_tick(struct scribe *, int64_t now);

/* How many lines their log took from all of them, and of how many connections
 * the worker has not counted. */
uint64_t scribe_written(const struct scribe *);
uint64_t scribe_uncounted(const struct scribe *);

/* How many were left out. */
uint64_t scribe_left_out(const struct scribe *);

/* Does it wait for its log, which takes nothing? */
bool scribe_waits(const struct scribe *);

/* How many lines are not written. False: nobody came to count them, and the
 * number is unknown. */
bool scribe_left(const struct scribe *, uint64_t *lines);

/* Tells it to end, which it does where it waits for its log, too. False: there
 * is none to be told. */
bool scribe_leave(struct scribe *);

/* Kills it, and gives up what is left. The process is the caller's to reap. */
void scribe_close(struct scribe *);

#endif
