/* A program that is tried: run as a child, with all that is handed over. */
#ifndef MASTER_TRIAL_H
#define MASTER_TRIAL_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "common/log/log.h"

struct codec;
struct findings;
struct master;

/* The option by which it is run. One that does not know it refuses it. */
#define TRIAL_OPTION "--take-over"

struct trial {
	int exe;    /* the program; -1: none */
	pid_t pid;  /* of the child; 0: none */
	int output; /* what that says; -1 */
	char said[4096];
	size_t nsaid;
};

void trial_init(struct trial *);

/* Opens the program: 0 or -errno. */
int trial_open(struct trial *, const char *program);

/* Runs it with what was written. 0, or -errno with *step set. */
int trial_run(struct master *, const struct codec *, const char **step);

/* Reads what it has to say. False: nothing more will come. */
bool trial_hear(struct trial *);

/* Adds that to the findings, as far as it is the first lines. */
void trial_tell(
    struct trial *, const char *program, enum log_level, struct findings *);

/* It has ended: nothing more is to be heard. */
void trial_close_output(struct master *);

/* Kills it, if it runs; then it is to be reaped. */
void trial_kill(const struct trial *);

/* Lets go of the program, too. */
void trial_close(struct master *);

#endif
