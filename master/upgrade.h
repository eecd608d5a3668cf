/*
 * Another program takes the master's place, in the same process: first it is
 * tried as a child, with all that the master knows, then it is run instead of
 * the master, and the workers that are there are its workers. Until a
 * generation of its own serves, the program before can be gone back to.
 */
#ifndef MASTER_UPGRADE_H
#define MASTER_UPGRADE_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/tls/expiry.h"
#include "master/trial.h"

struct master;

enum upgrade_step {
	UPGRADE_NONE,
	UPGRADE_WAITS, /* for the moment to try the program */
	UPGRADE_TRIES,
	UPGRADE_PASSED /* it is waited for the moment to run it */
};

/* More than so many at once are not told by its report what became of it. */
#define UPGRADE_TOKENS 16

struct upgrade {
	char *const *argv;	/* of this process */
	char program[PATH_MAX]; /* to be run; "": it cannot be told */
	char file[PATH_MAX];	/* the configuration */
	char version[32];	/* of the program that was there before */
	struct expiries served; /* by those who were there before */
	int before;  /* the program before this one; -1: there is no way back */
	bool handed; /* no generation of this program has served yet */
	bool again;  /* it was gone back to */
	bool wanted;
	uint64_t tokens[UPGRADE_TOKENS]; /* of those who want it */
	size_t ntokens;
	bool
	    asked; /* a reload was wanted meanwhile, which has its own report */
	bool reported; /* the report of the last load is its, and goes on */
	enum upgrade_step step;
	int64_t until; /* what the step may take */
	struct trial trial;
};

void upgrade_init(struct master *, const char *file, char *const *argv);

/* Ends the trial, if there is one. */
void upgrade_fini(struct master *);

/* Somebody wants one: by a signal, if the token is 0, or the one who will ask
 * for its report by that token; see report.h. */
void upgrade_want(struct master *, uint64_t token);

/* A reload begins, or a load is about to be told as taken: that is the end of
 * an upgrade, whose report goes on. */
bool upgrade_has_report(const struct master *);
void upgrade_note(struct master *);

/* Is one under way, so that no reload is to begin? */
bool upgrade_is_busy(const struct master *);

/* Begins what is wanted, and goes on with what has begun. In the end it does
 * not return, but where it has failed. To be called after every event. */
void upgrade_step(struct master *);

/* Is that what an event of the master's loop points to? Then it is taken. */
bool upgrade_receive(struct master *, const void *);

/* A process has ended. False: it was not the trial. */
bool upgrade_reaped(struct master *, pid_t, int status);

/* Returns when upgrade_step() is to be called again. */
int64_t upgrade_tick(struct master *, int64_t now);

/* The first generation of this program serves, or has failed; then it may not
 * return. */
void upgrade_done(struct master *);
void upgrade_undo(struct master *, const char *cause);

#endif
