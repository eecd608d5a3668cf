/*
 * tls.watch: a reload when the files that TLS is served with have changed, and
 * fit together.
 */
#ifndef MASTER_RENEWAL_H
#define MASTER_RENEWAL_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/clock.h"
#include "master/folders.h"
#include "master/renewal_files.h"

struct conf;
struct master;

/* They are loaded when nothing has happened to them for QUIET. Where that never
 * comes, or they do not fit together, they are loaded PATIENCE after the first
 * change. */
#define RENEWAL_QUIET	 (1 * CLOCK_SEC)
#define RENEWAL_PATIENCE (10 * CLOCK_SEC)

/* Where something cannot be watched, all is read so often. */
#define RENEWAL_LOOK (60 * CLOCK_SEC)

struct renewal {
	bool on;
	int epoll_fd;
	struct folders folders;
	struct renewal_marks tried; /* when they were loaded last, or tried */
	int64_t first; /* when one was touched since; CLOCK_NEVER: none was */
	int64_t due;   /* when they are read; CLOCK_NEVER */
};

enum renewal_answer {
	RENEWAL_NOTHING,
	RENEWAL_UNFIT, /* they have changed, and more is waited for */
	RENEWAL_WANTED /* a reload is */
};

/* Nothing is watched yet; events are to be heard of by epoll_fd. */
void renewal_init(struct renewal *, int epoll_fd);

/* Begins to watch those of conf, if it says so, which are served as they were
 * by that mark. 0 or -errno: they cannot be watched, and are read now and
 * then. */
int renewal_begin(struct renewal *, const struct conf *,
    const struct renewal_marks *served, int64_t now);
void renewal_end(struct renewal *);

/* Are there events? p is what epoll_wait(2) gave. */
bool renewal_receive(struct renewal *, const void *p, int64_t now);

/* Something may have changed. */
void renewal_note(struct renewal *, int64_t now);

/* To be called when `due` has come, with conf as for renewal_begin(). What has
 * changed is in *what, unless the answer is NOTHING. */
enum renewal_answer renewal_look(struct renewal *, const struct conf *,
    int64_t now, struct renewal_file *what);

/* Does all that for the current generation; returns when to do so again. */
int64_t renewal_tick(struct master *, int64_t now);

#endif
