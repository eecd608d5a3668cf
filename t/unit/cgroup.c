/*
 * Which control groups a process is in, of either version, in a container or
 * not, and what the one that has the least left says.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "master/cgroup.h"
#include "master/memory.h"
#include "t/unit/scratch.h"
#include "t/unit/tap.h"

#define MIB UINT64_C(1048576)

/* What was made, to be removed in reverse. */
static char *made[64];
static size_t nmade;

static char *
made_path(const char *name)
{
	if (nmade == sizeof(made) / sizeof(made[0]) ||
	    (made[nmade] = strdup(scratch_path(name))) == NULL)
		abort();
	return (made[nmade++]);
}

static void
folder(const char *name)
{
	if (mkdir(made_path(name), 0755) != 0)
		abort();
}

static void __attribute__((format(printf, 2, 3)))
file(const char *name, const char *fmt, ...)
{
	FILE *f = fopen(made_path(name), "w");
	va_list ap;

	if (f == NULL)
		abort();
	va_start(ap, fmt);
	vfprintf(f, fmt, ap);
	va_end(ap);
	if (fclose(f) != 0)
		abort();
}

static void
clear(void)
{
	while (nmade > 0) {
		(void)remove(made[--nmade]);
		free(made[nmade]);
	}
}

/* Those of /proc/self/cgroup and /proc/self/mountinfo. */
static int
find(struct cgroup *g)
{
	return (cgroup_find(g, scratch_path("cgroup"), scratch_path("mounts")));
}

static const char *
own_folder(const struct cgroup *g)
{
	return (g->levels > 0 ? g->folders[0] + strlen(scratch_dir) : "none");
}

/* A group of version 2 with these files. */
static void
group(const char *name, const char *max, const char *high, uint64_t current)
{
	char path[64];

	snprintf(path, sizeof(path), "%s/memory.max", name);
	file(path, "%s\n", max);
	snprintf(path, sizeof(path), "%s/memory.high", name);
	file(path, "%s\n", high);
	snprintf(path, sizeof(path), "%s/memory.current", name);
	file(path, "%llu\n", (unsigned long long)current);
}

static void
stat_file(const char *name, uint64_t pages, uint64_t dirty)
{
	char path[64];

	snprintf(path, sizeof(path), "%s/memory.stat", name);
	file(path,
	    "anon 5\nfile 7\nfile_dirty %llu\nfile_writeback 0\n"
	    "inactive_file %llu\nactive_file %llu\nnot_active_file 1\n",
	    (unsigned long long)dirty, (unsigned long long)pages / 2,
	    (unsigned long long)pages / 2);
}

static void
look(const struct cgroup *g, uint64_t cap, uint64_t limit, uint64_t used,
    const char *what)
{
	struct cgroup_memory m = { 0 };

	is_int(cgroup_look(g, cap, &m), 0, what);
	is_int((int64_t)m.limit, (int64_t)limit, "its limit");
	is_int((int64_t)m.used, (int64_t)used, "what is used");
}

static void
test_version2(void)
{
	struct cgroup_memory m;
	struct cgroup g;

	folder("fs");
	folder("fs/a");
	folder("fs/a/b c");
	file("cgroup", "0::/a/b c\n");
	file("mounts",
	    "22 1 0:20 / / rw - ext4 /dev/root rw\n"
	    "23 22 0:21 / %s/fs rw shared:4 master:1 - cgroup2 none rw\n",
	    scratch_dir);
	group("fs/a/b c", "max", "max", 10 * MIB);
	group("fs/a", "67108864", "max", 50 * MIB);
	is_int(find(&g), 0, "a system of version 2");
	is_str(own_folder(&g), "/fs/a/b c", "its own group");
	is_int(g.levels, 3, "and those above it");
	look(&g, CGROUP_NO_LIMIT, 64 * MIB, 50 * MIB, "the limit of another");
	look(&g, 32 * MIB, 64 * MIB, 50 * MIB, "though its own has more left");
	look(&g, 16 * MIB, 16 * MIB, 10 * MIB, "its own has the least left");
	stat_file("fs/a", 20 * MIB, 5 * MIB);
	look(&g, CGROUP_NO_LIMIT, 64 * MIB, 35 * MIB,
	    "what was written to files does not count");
	unlink(scratch_path("fs/a/memory.current"));
	is_int(cgroup_look(&g, CGROUP_NO_LIMIT, &m), -ENOENT,
	    "a limit that nothing is known of");
	cgroup_fini(&g);
	clear();
}

static void
test_high(void)
{
	struct cgroup g;

	folder("fs");
	file("cgroup", "0::/\n");
	file("mounts", "23 22 0:21 /../.. %s/fs rw - cgroup2 none rw\n",
	    scratch_dir);
	group("fs", "67108864", "33554432", MIB);
	is_int(find(&g), 0, "in a container, whose own group is the root");
	is_str(own_folder(&g), "/fs", "it is found");
	is_int(g.levels, 1, "and nothing above it");
	look(&g, CGROUP_NO_LIMIT, 32 * MIB, MIB,
	    "where it is throttled, not where it is killed");
	cgroup_fini(&g);
	clear();
}

static void
test_version1(void)
{
	struct cgroup g;

	folder("fs");
	folder("fs/memory x");
	folder("fs/memory x/in");
	folder("fs/unified");
	file("cgroup",
	    "9:name=systemd:/x\n4:cpu,memory:/docker/7/in\n1:cpu:/\n0::/\n");
	file("mounts",
	    "30 1 0:9 /docker/7 %s/fs/cpu rw - cgroup cgroup rw,cpu\n"
	    "31 1 0:9 / %s/fs/unified rw - cgroup2 cgroup2 rw\n"
	    "32 1 0:9 /docker/7 %s/fs/memory\\040x rw - cgroup cgroup "
	    "rw,cpu,memory\n",
	    scratch_dir, scratch_dir, scratch_dir);
	file("fs/memory x/in/memory.limit_in_bytes", "33554432\n");
	file("fs/memory x/in/memory.usage_in_bytes", "20971520\n");
	file("fs/memory x/in/memory.stat",
	    "active_file 1048576\ntotal_active_file 2097152\n"
	    "total_inactive_file 1048576\n");
	file("fs/memory x/memory.limit_in_bytes", "9223372036854771712\n");
	file("fs/memory x/memory.usage_in_bytes", "99\n");
	is_int(find(&g), 0, "a system of version 1, version 2 beside it");
	is_str(own_folder(&g), "/fs/memory x/in",
	    "its own group, as its container has it");
	look(&g, CGROUP_NO_LIMIT, 32 * MIB, 17 * MIB,
	    "with all that is below it");
	cgroup_fini(&g);
	clear();
}

static void
test_elsewhere(void)
{
	struct cgroup g;

	folder("fs");
	file("cgroup", "0::/kubepods/7\n");
	file("mounts", "31 1 0:9 /docker/9 %s/fs rw - cgroup2 cgroup2 rw\n",
	    scratch_dir);
	group("fs", "max", "max", 5 * MIB);
	is_int(find(&g), 0, "a group that is not below the mount");
	is_str(own_folder(&g), "/fs", "is taken for the mount's own");
	look(&g, CGROUP_NO_LIMIT, CGROUP_NO_LIMIT, 0, "without a limit");
	look(&g, 8 * MIB, 8 * MIB, 5 * MIB, "or with one of ours");
	cgroup_fini(&g);
	clear();
}

/* Others read as there being no control group, and never beyond. */
static void
test_none(void)
{
	static const char *const cgroups[] = { "", "\n", "0:\n", "junk",
		"::", "0::/a\n" };
	static const char *const mounts[] = { "", "\n", "1 2 3", "- - - - - -",
		"1 2 3 / /none-such rw - cgroup2", "1 2 3 / /x rw cgroup2 a b",
		"31 1 0:9 / /none-such rw - cgroup2 cgroup2 rw\n",
		"31 1 0:9 /\\0 /\\ rw - cgroup2 x memory" };
	struct cgroup g;
	size_t i, k, found = 0;

	for (i = 0; i < sizeof(cgroups) / sizeof(cgroups[0]); i++)
		for (k = 0; k < sizeof(mounts) / sizeof(mounts[0]); k++) {
			file("cgroup", "%s", cgroups[i]);
			file("mounts", "%s", mounts[k]);
			found += find(&g) != 0 || g.levels != 0;
			cgroup_fini(&g);
			clear();
		}
	is_int((int64_t)found, 0, "there is none");
	is_int(find(&g), -ENOENT, "nor where there are no such files");
	is_int(g.levels, 0, "which can be let be");
}

static void
test_margin(void)
{
	is_int((int64_t)memory_margin(8 * MIB), (int64_t)(4 * MIB), "small");
	is_int((int64_t)memory_margin(256 * MIB), (int64_t)(32 * MIB),
	    "an eighth");
	is_int((int64_t)memory_margin(64 * 1024 * MIB), (int64_t)(128 * MIB),
	    "large");
}

int
main(void)
{
	scratch_open();
	test_version2();
	test_high();
	test_version1();
	test_elsewhere();
	test_none();
	test_margin();
	scratch_close();
	return (done_testing());
}
