/*
 * A worker writes to standard error what the C library or a sanitizer has to
 * say when it dies. It shall not be able to do more there: to read what is
 * typed, or to go back and write over what a log says.
 */
#include "master/streams.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "common/base/fd.h"

/* Takes fd. */
static int
put(int fd, int stream)
{
	int error = 0;

	if (dup2(fd, stream) == -1)
		error = -errno;
	fd_close(&fd);
	return (error);
}

static int
nowhere(int stream)
{
	int fd = open("/dev/null",
	    (stream == STDIN_FILENO ? O_RDONLY : O_WRONLY) | O_CLOEXEC);

	return (fd == -1 ? -errno : put(fd, stream));
}

/* A pipe without a name. Whoever may open it anew for reading, as our own user
 * may, takes lines away from its reader. */
static void
close_to_readers(int stream)
{
	struct statfs fs;

	if (fstatfs(stream, &fs) == 0 && fs.f_type == PIPEFS_MAGIC)
		/* It is another user's where it fails: we may not open it. */
		(void)fchmod(stream, S_IWUSR);
}

static int
confine(int stream)
{
	struct stat st;
	char path[32];
	int fd = -1;

	close_to_readers(stream);
	/* A socket cannot be opened so, and a pipe is as good as it is. */
	if (fstat(stream, &st) == 0 &&
	    (S_ISSOCK(st.st_mode) ||
		(S_ISFIFO(st.st_mode) && fd_only_appends(stream))))
		return (0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", stream);
	/* Or a pipe without a reader would be waited for. */
	fd =
	    open(path, O_WRONLY | O_APPEND | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	if (fd != -1)
		return (put(fd, stream));
	return (fd_only_appends(stream) ? 0 : nowhere(stream));
}

int
streams_confine(void)
{
	int error = nowhere(STDIN_FILENO);

	if (error == 0)
		error = confine(STDOUT_FILENO);
	if (error == 0)
		error = confine(STDERR_FILENO);
	return (error);
}
