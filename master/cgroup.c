/* Finds the control groups of this process, and reads what they say of their
 * memory. */
#include "master/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/fd.h"

/* Of a file of the kernel: a machine may have thousands of mounts. */
#define TEXT_MAX (1024 * 1024)
#define TEXT_MIN 4096
/* memory.stat has some 60 lines. */
#define STAT_MAX (16 * 1024)

/* Version 1 has a limit of all pages where none is set. */
#define BEYOND (UINT64_C(1) << 62)

/* What differs between the two versions. */
struct files {
	const char *limits[2];
	const char *used;
	/* In memory.stat: file pages, and those of them that have to be
	 * written first. */
	const char *pages[2], *unwritten[2];
};

static const struct files versions[] = {
	[1] = { .limits = { "memory.limit_in_bytes", NULL },
	    .used = "memory.usage_in_bytes",
	    .pages = { "total_active_file", "total_inactive_file" },
	    .unwritten = { "total_dirty", "total_writeback" } },
	[2] = { .limits = { "memory.max", "memory.high" },
	    .used = "memory.current",
	    .pages = { "active_file", "inactive_file" },
	    .unwritten = { "file_dirty", "file_writeback" } },
};

/* Reads on until the end, or max bytes, with twice as much memory whenever it
 * does not do: workers inherit what the master has taken and given back. 0 or
 * -errno. */
static int
read_on(int fd, size_t max, char **text, size_t *len)
{
	size_t size = TEXT_MIN;
	char *more;
	ssize_t n;

	for (;;) {
		more = realloc(*text, size + 1);
		if (more == NULL)
			return (-ENOMEM);
		*text = more;
		while (*len < size &&
		       (n = read(fd, *text + *len, size - *len)) != 0) {
			if (n == -1)
				return (-errno);
			*len += (size_t)n;
		}
		if (*len < size || size >= max)
			return (0);
		size *= 2;
	}
}

/* Reads a file of the kernel, whose size stat(2) does not know. 0 with *text
 * owned by the caller, or -errno. */
static int
read_text(const char *path, size_t max, char **text)
{
	int error, fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t len = 0;

	if (fd == -1)
		return (-errno);
	*text = NULL;
	error = read_on(fd, max, text, &len);
	fd_close(&fd);
	if (error != 0)
		free(*text);
	else
		(*text)[len] = '\0';
	return (error);
}

/* Is word one of a list with commas? */
static bool
is_among(const char *list, const char *word)
{
	size_t len = strlen(word);
	const char *p = list;

	while ((p = strstr(p, word)) != NULL) {
		if ((p == list || p[-1] == ',') &&
		    (p[len] == ',' || p[len] == '\0'))
			return (true);
		p += len;
	}
	return (false);
}

/* A line of /proc/self/cgroup is NUMBER:CONTROLLERS:PATH, and 0::PATH for
 * version 2. Returns the path in the text; NULL: there is none. */
static char *
membership_of(char *text, int version)
{
	char *line, *lines = text, *controllers, *path;

	while ((line = strsep(&lines, "\n")) != NULL) {
		controllers = strchr(line, ':');
		path =
		    controllers != NULL ? strchr(controllers + 1, ':') : NULL;
		if (path == NULL)
			continue;
		*path++ = '\0';
		controllers++;
		if (version == 1 ? is_among(controllers, "memory")
				 : *controllers == '\0')
			return (path);
	}
	return (NULL);
}

/* mountinfo writes a blank as \040, and so some others. */
static void
unescape(char *s)
{
	char *to = s;
	unsigned byte;
	int n;

	for (; *s != '\0'; s++) {
		if (*s == '\\' && sscanf(s + 1, "%3o%n", &byte, &n) == 1) {
			*to++ = (char)byte;
			s += n;
		} else {
			*to++ = *s;
		}
	}
	*to = '\0';
}

struct mount {
	char *root, *at; /* in the text */
};

/* A line of mountinfo, proc(5): six fields, options, "-", and three. */
static bool
read_mount(char *line, int version, struct mount *m)
{
	char *field[6], *type, *super;
	int i;

	for (i = 0; i < 6; i++)
		if ((field[i] = strsep(&line, " ")) == NULL)
			return (false);
	while ((type = strsep(&line, " ")) != NULL && strcmp(type, "-") != 0)
		continue;
	type = strsep(&line, " ");
	(void)strsep(&line, " ");
	super = line;
	if (type == NULL || super == NULL)
		return (false);
	*m = (struct mount){ .root = field[3], .at = field[4] };
	unescape(m->root);
	unescape(m->at);
	return (version == 1
		    ? strcmp(type, "cgroup") == 0 && is_among(super, "memory")
		    : strcmp(type, "cgroup2") == 0);
}

static bool
find_mount(char *text, int version, struct mount *m)
{
	char *line, *lines = text;

	while ((line = strsep(&lines, "\n")) != NULL)
		if (read_mount(line, version, m))
			return (true);
	return (false);
}

/* What the mount shows of that path: nothing but its own root, where the path
 * is not below that, as in a container without a namespace. */
static const char *
within(const struct mount *m, const char *path)
{
	size_t len = strlen(m->root);

	if (strcmp(m->root, "/") == 0)
		len = 0;
	if (strncmp(path, m->root, len) != 0 || strstr(path, "..") != NULL ||
	    (path[len] != '/' && path[len] != '\0'))
		return ("");
	return (path + len);
}

/* The folder of the path, and those above it in the mount. */
static int
add_folders(struct cgroup *g, const struct mount *m, const char *path)
{
	size_t top = strlen(m->at);
	char *folder, *slash;

	if (asprintf(&folder, "%s%s", m->at, within(m, path)) == -1)
		return (-ENOMEM);
	while (g->levels < CGROUP_LEVELS) {
		while ((slash = strrchr(folder, '/')) != NULL &&
		       slash[1] == '\0' && slash > folder)
			*slash = '\0';
		g->folders[g->levels] = strdup(folder);
		if (g->folders[g->levels] == NULL)
			break;
		g->levels++;
		if (strlen(folder) <= top || slash == NULL)
			break;
		*slash = '\0';
	}
	free(folder);
	return (g->levels > 0 ? 0 : -ENOMEM);
}

/* Has the folder a file of that name? */
static bool
has_file(const char *folder, const char *name)
{
	char path[4096];
	int n = snprintf(path, sizeof(path), "%s/%s", folder, name);

	return (n > 0 && (size_t)n < sizeof(path) && access(path, R_OK) == 0);
}

static int
find_version(
    struct cgroup *g, int version, const char *membership, const char *mounts)
{
	char *groups = strdup(membership), *table = strdup(mounts), *path;
	struct mount m;
	int error = groups == NULL || table == NULL ? -ENOMEM : 0;

	if (error == 0 && (path = membership_of(groups, version)) != NULL &&
	    find_mount(table, version, &m)) {
		g->version = version;
		error = add_folders(g, &m, path);
	}
	free(groups);
	free(table);
	/* Version 2 may be there for other things than memory. */
	if (g->levels > 0 && !has_file(g->folders[0], versions[version].used))
		cgroup_fini(g);
	return (error);
}

int
cgroup_find(struct cgroup *g, const char *membership, const char *mounts)
{
	char *groups = NULL, *table = NULL;
	int error;

	*g = (struct cgroup){ 0 };
	error = read_text(membership, TEXT_MAX, &groups);
	if (error != 0)
		return (error);
	error = read_text(mounts, TEXT_MAX, &table);
	if (error == 0)
		error = find_version(g, 2, groups, table);
	if (error == 0 && g->levels == 0)
		error = find_version(g, 1, groups, table);
	free(groups);
	free(table);
	return (error);
}

void
cgroup_fini(struct cgroup *g)
{
	while (g->levels > 0)
		free(g->folders[--g->levels]);
}

/* A file with one number, or "max". 0 or -errno. */
static int
read_number(const char *folder, const char *name, uint64_t *n)
{
	char *path, *text, *end;
	int error;

	if (asprintf(&path, "%s/%s", folder, name) == -1)
		return (-ENOMEM);
	error = read_text(path, 64, &text);
	free(path);
	if (error != 0)
		return (error);
	*n = strtoull(text, &end, 10);
	if (end == text)
		*n = CGROUP_NO_LIMIT;
	free(text);
	return (0);
}

/* The root has no such file. */
static uint64_t
limit_of(const char *folder, const struct files *files)
{
	uint64_t n, limit = CGROUP_NO_LIMIT;
	int i;

	for (i = 0; i < 2 && files->limits[i] != NULL; i++)
		if (read_number(folder, files->limits[i], &n) == 0 &&
		    n < BEYOND && n < limit)
			limit = n;
	return (limit);
}

static uint64_t
field_of(const char *stat, const char *name)
{
	size_t len = strlen(name);
	const char *p;

	for (p = stat; p != NULL; p = strchr(p, '\n')) {
		p += *p == '\n';
		if (strncmp(p, name, len) == 0 && p[len] == ' ')
			return (strtoull(p + len, NULL, 10));
	}
	return (0);
}

static uint64_t
less(uint64_t a, uint64_t b)
{
	return (a > b ? a - b : 0);
}

/* File pages that are written already: the kernel takes these before it kills
 * anybody. Logs alone fill any limit with them. */
static uint64_t
reclaimable(const char *folder, const struct files *f)
{
	char *path, *stat;
	uint64_t n = 0;

	if (asprintf(&path, "%s/memory.stat", folder) == -1)
		return (0);
	if (read_text(path, STAT_MAX, &stat) == 0) {
		n = less(
		    field_of(stat, f->pages[0]) + field_of(stat, f->pages[1]),
		    field_of(stat, f->unwritten[0]) +
			field_of(stat, f->unwritten[1]));
		free(stat);
	}
	free(path);
	return (n);
}

int
cgroup_look(const struct cgroup *g, uint64_t cap, struct cgroup_memory *least)
{
	const struct files *files = &versions[g->version];
	struct cgroup_memory m;
	int error, i;

	*least = (struct cgroup_memory){ .limit = CGROUP_NO_LIMIT };
	for (i = 0; i < g->levels; i++) {
		m.limit = limit_of(g->folders[i], files);
		if (i == 0 && cap < m.limit)
			m.limit = cap;
		if (m.limit == CGROUP_NO_LIMIT)
			continue;
		error = read_number(g->folders[i], files->used, &m.used);
		if (error != 0)
			return (error);
		m.used = less(m.used, reclaimable(g->folders[i], files));
		if (less(m.limit, m.used) < less(least->limit, least->used))
			*least = m;
	}
	return (0);
}
