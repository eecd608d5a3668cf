/* A folder for the files of a test, which goes when it is over. */
#ifndef T_UNIT_SCRATCH_H
#define T_UNIT_SCRATCH_H

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char scratch_dir[] = "/tmp/sniport-unit-XXXXXX";

static inline void
scratch_open(void)
{
	if (mkdtemp(scratch_dir) == NULL)
		abort();
}

/* The path of a file in it; eight may be in use at once. */
static inline char *
scratch_path(const char *name)
{
	static char text[8][96];
	static unsigned turn;

	turn = (turn + 1) % 8;
	snprintf(text[turn], sizeof(text[turn]), "%s/%s", scratch_dir, name);
	return (text[turn]);
}

/* Removes it and all files in it. */
static inline void
scratch_close(void)
{
	DIR *dir = opendir(scratch_dir);
	const struct dirent *entry;

	if (dir == NULL)
		abort();
	while ((entry = readdir(dir)) != NULL)
		(void)unlinkat(dirfd(dir), entry->d_name, 0);
	closedir(dir);
	(void)rmdir(scratch_dir);
}

#endif
