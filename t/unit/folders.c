/* A path that may lead to something else is noticed, and nothing else is. */
#include "master/folders.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/inotify.h>

#include "t/unit/scratch.h"
#include "t/unit/tap.h"

static struct folders folders;

/* A file of that text, made as by a shell. */
static void
write_file(const char *name, const char *text)
{
	FILE *f = fopen(scratch_path(name), "w");

	if (f == NULL || fputs(text, f) < 0 || fclose(f) != 0)
		abort();
}

static void
make_folder(const char *name)
{
	if (mkdir(scratch_path(name), 0700) != 0)
		abort();
}

static void
make_link(const char *target, const char *name)
{
	if (symlink(target, scratch_path(name)) != 0)
		abort();
}

static void
move(const char *from, const char *to)
{
	if (rename(scratch_path(from), scratch_path(to)) != 0)
		abort();
}

static void
drop(const char *name)
{
	if (remove(scratch_path(name)) != 0)
		abort();
}

static void
begin(const char *path)
{
	folders_close(&folders);
	folders_open(&folders);
	folders_watch(&folders, path);
	is_int(folders.error, 0, "all can be watched");
	ok(!folders_changed(&folders), "nothing has happened yet");
}

static void
changed(const char *what)
{
	ok(folders_changed(&folders), "%s", what);
	ok(!folders_changed(&folders), "it is told once");
}

static void
unchanged(const char *what)
{
	ok(!folders_changed(&folders), "nothing to us: %s", what);
}

static void
test_file(void)
{
	write_file("cert", "1");
	begin(scratch_path("cert"));
	write_file("other", "1");
	unchanged("another file of the folder");
	write_file("cert", "2");
	changed("it is written to");
	if (chmod(scratch_path("cert"), 0600) != 0)
		abort();
	changed("its mode is another");
	move("other", "cert");
	changed("another file takes its name");
	/* Which the folder alone knows of: that file was not there. */
	write_file("cert", "3");
	changed("and is written to");
	drop("cert");
	changed("it goes");
	write_file("cert", "4");
	changed("and comes");
	drop("cert");
}

static void
test_not_there(void)
{
	begin(scratch_path("a/b/cert"));
	make_folder("c");
	unchanged("another folder");
	make_folder("a");
	changed("the first folder on the way comes");
	begin(scratch_path("a/b/cert"));
	make_folder("a/b");
	changed("the next one");
	begin(scratch_path("a/b/cert"));
	write_file("a/b/cert", "1");
	changed("the file");
	begin(scratch_path("a/b/cert"));
	move("a", "d");
	changed("the first folder goes");
	begin(scratch_path("a/b/cert"));
	move("d", "a");
	changed("and comes again");
	drop("a/b/cert");
	drop("a/b");
	drop("a");
	drop("c");
}

/* As Kubernetes mounts a Secret. */
static void
test_turned_link(void)
{
	make_folder("..1");
	write_file("..1/cert", "1");
	make_link("..1", "..data");
	make_link("..data/cert", "cert");
	begin(scratch_path("cert"));
	make_folder("..2");
	write_file("..2/cert", "2");
	unchanged("a folder that no link leads to yet");
	make_link("..2", "..data_tmp");
	unchanged("nor a link that does not");
	move("..data_tmp", "..data");
	changed("the link is turned");
	drop("..1/cert");
	drop("..1");
	begin(scratch_path("cert"));
	write_file("..2/cert", "3");
	changed("the file that it leads to now is written to");
	drop("..2/cert");
	drop("..2");
	drop("..data");
	drop("cert");
}

static void
test_ways(void)
{
	char path[256];

	make_folder("a");
	make_folder("a/b");
	write_file("a/cert", "1");
	make_link("../cert", "a/b/link");
	begin(scratch_path("./a//b/./link"));
	write_file("a/cert", "2");
	changed("names that go up");
	snprintf(path, sizeof(path), "%s/a/cert", scratch_dir);
	make_link(path, "absolute");
	begin(scratch_path("absolute"));
	write_file("a/cert", "3");
	changed("a link from the root on");
	make_link("two", "one");
	make_link("one", "two");
	begin(scratch_path("one"));
	drop("two");
	changed("links that lead to each other");
	begin("");
	begin("/");
	drop("one");
	drop("absolute");
	drop("a/b/link");
	drop("a/cert");
	drop("a/b");
	drop("a");
}

/* So much that the kernel drops some of it. */
static void
test_flood(void)
{
	int most = 0, left = 1000;
	FILE *f = fopen("/proc/sys/fs/inotify/max_queued_events", "r");

	if (f == NULL || fscanf(f, "%d", &most) != 1 || most > 100000)
		most = 0;
	if (f != NULL)
		fclose(f);
	write_file("cert", "1");
	begin(scratch_path("cert"));
	for (; most >= 0; most--) {
		write_file("other", "1");
		drop("other");
	}
	write_file("cert", "2");
	while (!folders_changed(&folders) && left > 0)
		left--;
	ok(left > 0, "it is noticed after more than the queue holds");
	drop("cert");
}

static void
test_no_right(void)
{
	char *path = scratch_path("cert");

	if (geteuid() != 0) {
		ok(true, "SKIPPED LOUDLY: not root, who can become another");
		return;
	}
	write_file("cert", "1");
	if (seteuid(65534) != 0)
		abort();
	folders_close(&folders);
	folders_open(&folders);
	folders_watch(&folders, path);
	is_int(folders.error, -EACCES, "a folder that is closed to us");
	if (seteuid(0) != 0)
		abort();
	drop("cert");
}

int
main(void)
{
	folders.fd = -1;
	scratch_open();
	test_file();
	test_not_there();
	test_turned_link();
	test_ways();
	test_flood();
	test_no_right();
	folders_close(&folders);
	scratch_close();
	return (done_testing());
}
