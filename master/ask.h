/* Asks a running service on its control socket. */
#ifndef MASTER_ASK_H
#define MASTER_ASK_H

#include <stdbool.h>
#include <stdio.h>

#define ASK_DEFAULT_PATH "/run/sniport/control.sock"

/* What sun_path holds. */
#define ASK_PATH_SIZE 108

/*
 * Where to ask: at the socket that was named, if it is not NULL, or at that of
 * the configuration. It need not be valid, but has to be read; the default file
 * may be missing, since the service may run all the same: then at the default.
 * 0, or -EINVAL and err says why.
 */
int ask_find(
    char path[ASK_PATH_SIZE], const char *file, const char *named, FILE *err);

/* One request and its answer. */
struct ask {
	FILE *in;
	/* What the head of the answer says. */
	int status;
	bool chunked;
	long long length; /* of the body; -1: not told */
};

/*
 * Sends a request, as in "GET /status", and reads the head of its answer. 0, or
 * -errno: -EPROTO, it is none; -ETIMEDOUT, none has come. Then ask_body()
 * copies the body to out: 0, or -errno, -EPROTO where it is not whole.
 * ask_end() follows, whatever came of them.
 */
int ask_begin(
    struct ask *, const char *path, const char *method, const char *target);
int ask_body(struct ask *, FILE *out);
void ask_end(struct ask *);

/* Says what such an error means to who asks on that path. */
void ask_tell(FILE *err, const char *path, int error);

/* GETs the target and prints the answer. 0, or -errno and err says why; -EPROTO
 * where the answer is another one than 200, or not whole. */
int ask_run(const char *path, const char *target, FILE *out, FILE *err);

/*
 * Likewise, by POST, for who says in the status of the answer how it went. That
 * status, or -errno; text that does not tell of success goes to err.
 */
int ask_post(
    const char *path, const char *target, bool json, FILE *out, FILE *err);

#define ASK_TARGET_SIZE 4096

/*
 * Adds a word to the query of a target, which has one: NAME=VALUE, or the value
 * of "id" alone. 0 or -ENAMETOOLONG.
 */
int ask_add(char target[ASK_TARGET_SIZE], const char *word);

#endif
