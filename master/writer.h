/*
 * A log that may block, which is any file since its disk may hang, is written
 * by a process of its own, its writer. All others put their lines into a pipe,
 * which never blocks them. What the writer has taken and not yet written is in
 * memory that it shares with the master, and the master holds both ends of the
 * pipe: when a writer dies, another goes on where it was, and no line is lost
 * with it.
 */
#ifndef MASTER_WRITER_H
#define MASTER_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/base/clock.h"
#include "master/privilege.h"

struct writer_state;

/* To be called in each writer: it forgets what it need not know. */
struct writer_forget {
	void (*call)(void *arg);
	void *arg;
};

struct writer {
	const char *target; /* borrowed: see log_file_open() */
	struct run_as run_as;
	struct writer_forget forget;
	int lines;  /* where lines are written to; -1: the caller took it */
	int source; /* where the writer reads them */
	int status; /* messages with the writer; -1: there is none */
	pid_t pid;  /* 0: there is none */
	struct writer_state *state;
	int memory;	  /* has the state; -1: there is none */
	int64_t start_at; /* when there is none: start one; NEVER */
	int64_t started;
	pid_t ending; /* who was told to end */
	bool ended;   /* and all lines are written */
};

/* How long somebody waits for a file to be opened. */
#define WRITER_OPEN_PATIENCE (3 * CLOCK_SEC)

/*
 * Starts a writer, which opens the target with the rights that we have and then
 * becomes run_as; waits until the target is open, or WRITER_OPEN_PATIENCE. 0,
 * or -errno: -ETIMEDOUT for a disk that hangs, -ECHILD for a writer that died.
 */
int writer_open(struct writer *, const char *target, const struct run_as *,
    const struct writer_forget *);

/* Gives up what is left, and all resources. */
void writer_close(struct writer *);

/*
 * Opens the target anew by another writer, which takes over; as above. Where
 * it fails the old one goes on. One that is stuck in a disk is left behind.
 */
int writer_reopen(struct writer *, const struct run_as *);

/* A process has ended. False: it was not the writer. */
bool writer_reaped(struct writer *, pid_t, int status, int64_t now);

/* Starts another where it is time; returns when it will be. */
int64_t writer_tick(struct writer *, int64_t now);

/*
 * What the writer says. 1 with *error: -errno of a write or an open that fails,
 * again and again, or 0: now it succeeds; -EAGAIN: nothing; 0: it is gone.
 */
int writer_receive(struct writer *, int *error);

/* It is to end when the pipe is empty; without that it ends when all have
 * closed the pipe. */
void writer_end(struct writer *);
bool writer_ended(const struct writer *);

/* Bytes that wait in the pipe or with the writer, and bytes written so far. */
size_t writer_waiting(const struct writer *);
uint64_t writer_written(const struct writer *);

/* Kills it. Calls the function with each line that is lost. */
void writer_abandon(struct writer *,
    void (*lost)(void *arg, const char *line, size_t len), void *arg);

#endif
