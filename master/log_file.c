/* Opens and makes log files. */
#include "master/log_file.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/fd.h"

/* O_NONBLOCK is for a FIFO, whose reader nobody waits for. */
#define FLAGS (O_WRONLY | O_APPEND | O_NONBLOCK | O_CLOEXEC | O_NOCTTY)

static int
set_blocking(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags == -1 || fcntl(fd, F_SETFL, flags & ~O_NONBLOCK) == -1)
		return (-errno);
	return (0);
}

/* One that we make has our mode, since a umask of 0077 would leave it
 * unreadable for those whom logrotate(8) makes the next one readable for. */
static int
open_path(const char *path)
{
	int fd = open(path, FLAGS | O_CREAT | O_EXCL, LOG_FILE_MODE);

	if (fd >= 0)
		(void)fchmod(fd, LOG_FILE_MODE);
	else if (errno == EEXIST)
		fd = open(path, FLAGS | O_CREAT, LOG_FILE_MODE);
	return (fd < 0 ? -errno : fd);
}

/* Anew, so that it appends whoever opened it; where that is not permitted,
 * the stream as it is. */
static int
open_stream(int stream)
{
	char path[32];
	int fd;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", stream);
	fd = open(path, FLAGS);
	if (fd < 0)
		fd = fcntl(stream, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	return (fd < 0 ? -errno : fd);
}

int
log_file_open(const char *target)
{
	int error, fd;

	if (strcmp(target, "stdout") == 0)
		fd = open_stream(STDOUT_FILENO);
	else if (strcmp(target, "stderr") == 0)
		fd = open_stream(STDERR_FILENO);
	else
		fd = open_path(target);
	error = fd < 0 ? fd : set_blocking(fd);
	if (error == 0)
		return (fd);
	fd_close(&fd);
	return (error);
}

/* Could this file be made? */
static int
check_folder(const char *file)
{
	char *copy = strdup(file);
	int error = 0;

	if (copy == NULL)
		return (-ENOMEM);
	if (access(dirname(copy), W_OK | X_OK) != 0)
		error = -errno;
	free(copy);
	return (error);
}

int
log_file_check(const char *target)
{
	int fd;

	/* Made by root for a check, it would be in the service's way. */
	if (access(target, F_OK) != 0)
		return (check_folder(target));
	fd = open(target, FLAGS);
	if (fd < 0)
		return (-errno);
	fd_close(&fd);
	return (0);
}
