/* Asks a running service on its control socket. */
#ifndef MASTER_ASK_H
#define MASTER_ASK_H

#include <stdio.h>

/* What sun_path holds. */
#define ASK_PATH_SIZE 108

/*
 * Where to ask: at the socket that was named, if it is not NULL, or at that of
 * the configuration. The default file may be missing or wrong, since the
 * service may run all the same: then at the default. 0, or -EINVAL and err says
 * why.
 */
int ask_find(
    char path[ASK_PATH_SIZE], const char *file, const char *named, FILE *err);

/* GETs the target and prints the answer. 0, or -errno and err says why; -EPROTO
 * where the answer is another one than 200, or not whole. */
int ask_run(const char *path, const char *target, FILE *out, FILE *err);

#define ASK_TARGET_SIZE 4096

/*
 * Adds a word to the query of a target, which has one: NAME=VALUE, or the value
 * of "id" alone. 0 or -ENAMETOOLONG.
 */
int ask_add(char target[ASK_TARGET_SIZE], const char *word);

#endif
