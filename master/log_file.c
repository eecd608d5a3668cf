/* Opens and makes log files. */
#include "master/log_file.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "master/service.h"

/* As many as the kernel follows. */
#define LINKS_MAX 40

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

static bool
is_fifo(const char *path)
{
	int saved = errno;
	struct stat st;
	bool is = stat(path, &st) == 0 && S_ISFIFO(st.st_mode);

	errno = saved;
	return (is);
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
	if (fd >= 0)
		return (fd);
	return (errno == ENXIO && is_fifo(path) ? -EPIPE : -errno);
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
check_folder(const char *file, const struct service *service)
{
	char *copy = strdup(file), *folder;
	int error = 0;

	if (copy == NULL)
		return (-ENOMEM);
	folder = dirname(copy);
	if (access(folder, W_OK | X_OK) != 0)
		error = -errno;
	if (error == -ENOENT && service != NULL &&
	    service_makes(service, folder))
		error = 0;
	free(copy);
	return (error);
}

/* To where a chain of links leads, though nothing be there: a file is made at
 * its end. */
static int
follow(char path[PATH_MAX])
{
	char link[PATH_MAX], *slash;
	size_t room;
	ssize_t len;

	for (int i = 0; i < LINKS_MAX; i++) {
		len = readlink(path, link, sizeof(link) - 1);
		if (len < 0)
			return (0);
		link[len] = '\0';
		slash = link[0] == '/' ? NULL : strrchr(path, '/');
		room = slash == NULL ? 0 : (size_t)(slash + 1 - path);
		if (room + (size_t)len >= PATH_MAX)
			return (-ENAMETOOLONG);
		memcpy(path + room, link, (size_t)len + 1);
	}
	return (-ELOOP);
}

int
log_file_check(const char *target, const struct service *service)
{
	char path[PATH_MAX];
	int error, fd;

	/* Made by root for a check, it would be in the service's way. */
	if (access(target, F_OK) != 0) {
		if (strlen(target) >= sizeof(path))
			return (-ENAMETOOLONG);
		memcpy(path, target, strlen(target) + 1);
		error = follow(path);
		return (error != 0 ? error : check_folder(path, service));
	}
	fd = open(target, FLAGS);
	if (fd < 0)
		return (-errno);
	fd_close(&fd);
	return (0);
}
