/* Watches each folder on the way to a file, for one name in it. */
#include "master/folders.h"

#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "common/base/fd.h"

#define LINKS_MAX 40

/* Reads of events in one turn; the loop comes again if there are more. */
#define READS_MAX 16

/* That something has its name in a folder, or has it no more. */
#define NAMES (IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO)

/* That somebody has written to a file, or may read it now. */
#define CONTENTS (IN_CLOSE_WRITE | IN_ATTRIB)

struct folders_name {
	int wd;
	char *name; /* owned; "": the file that is watched itself */
};

/* The way that a path takes, as far as it was followed. */
struct way {
	char done[PATH_MAX]; /* has no links in it */
	char rest[PATH_MAX];
	unsigned links;
};

void
folders_open(struct folders *f)
{
	*f = (struct folders){ .fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC) };
	if (f->fd < 0)
		f->error = -errno;
}

void
folders_close(struct folders *f)
{
	while (f->n > 0)
		free(f->names[--f->n].name);
	free(f->names);
	f->names = NULL;
	f->room = 0;
	fd_close(&f->fd);
}

static bool
is_known(const struct folders *f, int wd, const char *name)
{
	size_t i;

	for (i = 0; i < f->n; i++)
		if (f->names[i].wd == wd && strcmp(f->names[i].name, name) == 0)
			return (true);
	return (false);
}

static int
add_name(struct folders *f, int wd, const char *name)
{
	size_t room = f->room > 0 ? f->room * 2 : 16;
	struct folders_name *names;

	if (is_known(f, wd, name))
		return (0);
	if (f->n == f->room) {
		names = reallocarray(f->names, room, sizeof(*names));
		if (names == NULL)
			return (-ENOMEM);
		f->names = names;
		f->room = room;
	}
	f->names[f->n] = (struct folders_name){ wd, strdup(name) };
	if (f->names[f->n].name == NULL)
		return (-ENOMEM);
	f->n++;
	return (0);
}

/* What is not there yet is seen by the folder that it is to be in. */
static void
watch(struct folders *f, const char *path, uint32_t events, const char *name)
{
	int wd = inotify_add_watch(f->fd, path, events | IN_MASK_ADD);
	int error = wd < 0 ? -errno : add_name(f, wd, name);

	if (error != 0 && error != -ENOENT && error != -ENOTDIR)
		f->error = error;
}

/* Takes the next name of the way; false: there is none. */
static bool
next_name(struct way *w, char name[NAME_MAX + 1])
{
	const char *at = w->rest + strspn(w->rest, "/");
	size_t len = strcspn(at, "/");

	if (len == 0 || len > NAME_MAX)
		return (false);
	memcpy(name, at, len);
	name[len] = '\0';
	at += len;
	at += strspn(at, "/");
	memmove(w->rest, at, strlen(at) + 1);
	return (true);
}

/* Goes on behind the link; false: that is too far. */
static bool
follow(struct way *w, const char *target)
{
	char rest[PATH_MAX];
	int len;

	len = snprintf(rest, sizeof(rest), "%s%s%s", target,
	    w->rest[0] != '\0' ? "/" : "", w->rest);
	if (len >= (int)sizeof(rest) || ++w->links > LINKS_MAX)
		return (false);
	memcpy(w->rest, rest, (size_t)len + 1);
	if (target[0] == '/')
		strcpy(w->done, "/");
	return (true);
}

/* Goes one name further. False: it has arrived, or cannot go on. */
static bool
go(struct folders *f, struct way *w)
{
	char name[NAME_MAX + 1], path[PATH_MAX], target[PATH_MAX];
	bool last;
	ssize_t n;

	if (!next_name(w, name))
		return (false);
	last = w->rest[0] == '\0';
	if (snprintf(path, sizeof(path), "%s%s%s", w->done,
		strcmp(w->done, "/") == 0 ? "" : "/",
		name) >= (int)sizeof(path))
		return (false);
	if (strcmp(name, ".") != 0 && strcmp(name, "..") != 0)
		watch(f, w->done, NAMES | IN_ONLYDIR | (last ? CONTENTS : 0),
		    name);
	n = readlink(path, target, sizeof(target) - 1);
	if (n >= 0) {
		target[n] = '\0';
		return (follow(w, target));
	}
	/* One that is mounted there alone is written to in another folder. */
	if (last)
		watch(f, path, CONTENTS, "");
	strcpy(w->done, path);
	return (!last);
}

void
folders_watch(struct folders *f, const char *path)
{
	struct way w = { .links = 0 };

	if (f->fd < 0 || strlen(path) >= sizeof(w.rest))
		return;
	strcpy(w.done, path[0] == '/' ? "/" : ".");
	strcpy(w.rest, path);
	while (go(f, &w))
		continue;
}

static bool
is_ours(const struct folders *f, const struct inotify_event *e)
{
	size_t i;

	if ((e->mask & IN_Q_OVERFLOW) != 0)
		return (true);
	/* Without a name it is of the folder or file itself. */
	if (e->len > 0)
		return (is_known(f, e->wd, e->name));
	if ((e->mask & (CONTENTS | IN_IGNORED)) == 0)
		return (false);
	for (i = 0; i < f->n; i++)
		if (f->names[i].wd == e->wd)
			return ((e->mask & IN_IGNORED) != 0 ||
				f->names[i].name[0] == '\0');
	return (false);
}

bool
folders_changed(struct folders *f)
{
	union {
		struct inotify_event event;
		char bytes[4096];
	} buf;
	const struct inotify_event *e;
	bool changed = false;
	ssize_t n, at;
	int i;

	for (i = 0; i < READS_MAX && f->fd >= 0; i++) {
		n = read(f->fd, &buf, sizeof(buf));
		if (n <= 0)
			break;
		for (at = 0; at < n; at += (ssize_t)(sizeof(*e) + e->len)) {
			e = (const struct inotify_event *)(buf.bytes + at);
			changed = changed || is_ours(f, e);
		}
	}
	return (changed);
}
