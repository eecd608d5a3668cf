/* Answers sniport why: what a reason means, and what to do about it. */
#ifndef MASTER_WHY_H
#define MASTER_WHY_H

#include <stdbool.h>
#include <stdio.h>

/*
 * Prints the reason of that name; without a name all of them, with one line
 * each. 0, or -ENOENT: there is none of that name, and err says which one may
 * be meant.
 */
int why_run(const char *name, bool json, FILE *out, FILE *err);

#endif
