/*
 * Notices when a path may lead to something else: the file is written or
 * replaced, or a link or folder on the way to it is, as in Kubernetes, which
 * turns a link.
 */
#ifndef MASTER_FOLDERS_H
#define MASTER_FOLDERS_H

#include <stdbool.h>
#include <stddef.h>

struct folders_name;

struct folders {
	int fd;	   /* of inotify(7); -1: it could not be had */
	int error; /* -errno: not all can be watched, such as for want of
		    * rights or of room */
	struct folders_name *names;
	size_t n, room;
};

void folders_open(struct folders *);
void folders_close(struct folders *);

/* Watches whatever the path leads through. What is not there is noticed when it
 * comes. Follows at most 40 links, as the kernel does. */
void folders_watch(struct folders *, const char *path);

/* Takes what has happened, as far as there is something, without waiting. Has
 * a path been touched? */
bool folders_changed(struct folders *);

#endif
