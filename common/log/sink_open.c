/* Opens what log lines are written to, and knows what it is. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "common/log/sink_state.h"

#define SYSLOG_PATH "/dev/log"

/* null(4) takes everything at once. */
#define NULL_DEVICE makedev(1, 3)

/*
 * A socket cannot be opened through /proc (ENXIO), nor a stream that another
 * user opened for us (EACCES); those are shared. send(2) takes MSG_DONTWAIT, so
 * a shared socket does not block. Any other stream may: to set O_NONBLOCK would
 * set it for the strangers too, and they could clear it.
 */
static int
open_stream(struct sink *s, int stream)
{
	struct stat st;
	char path[32];
	int fd, flags;

	if (fstat(stream, &st) < 0)
		return (-errno);
	flags = fcntl(stream, F_GETFL);
	if (flags == -1 || (flags & O_ACCMODE) == O_RDONLY)
		return (-EBADF);
	if (!S_ISSOCK(st.st_mode)) {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", stream);
		fd = open(path,
		    O_WRONLY | O_APPEND | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
		if (fd >= 0)
			return (fd);
		s->foreign = true;
	}
	fd = fcntl(stream, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	return (fd < 0 ? -errno : fd);
}

static int
open_syslog(struct sink *s, const char *path)
{
	struct tm tm;
	time_t now = 0;
	int fd, r;

	s->syslog_path = strdup(path);
	if (s->syslog_path == NULL)
		return (-ENOMEM);
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return (-errno);
	r = sink_connect(fd, path);
	if (r < 0) {
		fd_close(&fd);
		return (r);
	}
	/* glibc reads the time zone at the first call, and a sandbox that
	 * comes later would not let it. */
	tzset();
	(void)localtime_r(&now, &tm);
	return (fd);
}

static int
open_target(struct sink *s, const char *target)
{
	if (strcmp(target, "stdout") == 0)
		return (open_stream(s, STDOUT_FILENO));
	if (strcmp(target, "stderr") == 0)
		return (open_stream(s, STDERR_FILENO));
	if (strcmp(target, "syslog") == 0)
		return (open_syslog(s, SYSLOG_PATH));
	if (strncmp(target, "syslog:", 7) == 0)
		return (open_syslog(s, target + 7));
	return (-EINVAL);
}

bool
sink_is_journal(int fd)
{
	const char *stream = getenv("JOURNAL_STREAM");
	uintmax_t device, inode;
	struct stat st;

	return (
	    stream != NULL && sscanf(stream, "%ju:%ju", &device, &inode) == 2 &&
	    fstat(fd, &st) == 0 && st.st_dev == device && st.st_ino == inode);
}

static bool
is_socket(int fd)
{
	struct stat st;

	return (fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode));
}

bool
sink_may_block(const struct sink *s)
{
	struct stat st;

	if (s->foreign || fstat(s->fd, &st) < 0)
		return (true);
	if (S_ISCHR(st.st_mode))
		return (st.st_rdev != NULL_DEVICE && !isatty(s->fd));
	return (!S_ISSOCK(st.st_mode) && !S_ISFIFO(st.st_mode));
}

static struct sink *
allocate(void)
{
	struct sink *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return (NULL);
	s->fd = -1;
	s->queue = malloc(SINK_QUEUE_BYTES);
	if (s->queue != NULL)
		return (s);
	free(s);
	return (NULL);
}

static void
begin(struct sink *s, int fd)
{
	s->fd = fd;
	s->socket = is_socket(fd);
	s->journal = sink_is_journal(fd);
}

int
sink_open(struct sink **sink, const char *target)
{
	struct sink *s = allocate();
	int fd;

	if (s == NULL)
		return (-ENOMEM);
	fd = open_target(s, target);
	if (fd < 0) {
		sink_close(s);
		return (fd);
	}
	begin(s, fd);
	*sink = s;
	return (0);
}

int
sink_own(struct sink *s)
{
	int fd;

	if (s->syslog_path == NULL)
		return (0);
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return (-errno);
	/* If the daemon is not there, it is tried again with each line. */
	(void)sink_connect(fd, s->syslog_path);
	fd_close(&s->fd);
	s->fd = fd;
	return (0);
}

int
sink_new(struct sink **sink, int fd)
{
	struct sink *s = allocate();

	if (s == NULL)
		return (-ENOMEM);
	s->relayed = true;
	begin(s, fd);
	*sink = s;
	return (0);
}

void
sink_close(struct sink *s)
{
	if (s == NULL)
		return;
	(void)sink_flush(s);
	fd_close(&s->fd);
	sink_leave(s);
}

void
sink_leave(struct sink *s)
{
	if (s == NULL)
		return;
	free(s->syslog_path);
	free(s->queue);
	free(s);
}
