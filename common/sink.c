#include "common/sink.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/fd.h"

#define SYSLOG_PATH	"/dev/log"
#define SYSLOG_FACILITY 3 /* daemon (RFC 3164 section 4.1.1) */

/* "<31>Jan  2 03:04:05 sniport[1234567]: " and room to spare. */
#define SYSLOG_HEADER_MAX 64
#define RECORD_MAX	  (SYSLOG_HEADER_MAX + SINK_LINE_MAX)

enum sink_kind {
	SINK_PATH,
	SINK_STREAM,
	SINK_SYSLOG
};

struct sink {
	enum sink_kind kind;
	int fd;
	bool socket, journal;
	char *path; /* PATH: the file, SYSLOG: the socket */
	/* A ring of SINK_QUEUE_BYTES: each line that waits, as it will be
	 * written, after its length. It is there from the beginning, since
	 * what has to be said when memory is out must have room; the kernel
	 * gives it pages when it is used. */
	char *queue;
	size_t head, queued;
	size_t done; /* of the first line: the rest is owed, or it is mangled */
	uint64_t dropped;
	pid_t owner; /* who queued and dropped */
};

static void
ring_write(struct sink *s, const void *bytes, size_t len)
{
	size_t at = (s->head + s->queued) % SINK_QUEUE_BYTES;
	size_t first = SINK_QUEUE_BYTES - at;

	if (first > len)
		first = len;
	memcpy(s->queue + at, bytes, first);
	memcpy(s->queue, (const char *)bytes + first, len - first);
	s->queued += len;
}

/* Copies from so many bytes behind the head. */
static void
ring_read(const struct sink *s, size_t skip, void *bytes, size_t len)
{
	size_t at = (s->head + skip) % SINK_QUEUE_BYTES;
	size_t first = SINK_QUEUE_BYTES - at;

	if (first > len)
		first = len;
	memcpy(bytes, s->queue + at, first);
	memcpy((char *)bytes + first, s->queue, len - first);
}

/* The first line that waits, of RECORD_MAX bytes at most; its length. */
static size_t
queue_head(const struct sink *s, char record[RECORD_MAX])
{
	size_t len;

	ring_read(s, 0, &len, sizeof(len));
	ring_read(s, sizeof(len), record, len);
	return (len);
}

static void
queue_clear(struct sink *s)
{
	/* From the beginning, where there are pages already. */
	s->head = s->queued = s->done = 0;
}

static void
queue_drop_head(struct sink *s, size_t len)
{
	s->queued -= sizeof(len) + len;
	s->head = (s->head + sizeof(len) + len) % SINK_QUEUE_BYTES;
	s->done = 0;
	if (s->queued == 0)
		queue_clear(s);
}

static int
open_file(const char *path)
{
	int fd = open(path,
	    O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK | O_CLOEXEC | O_NOCTTY,
	    0640);

	return (fd < 0 ? -errno : fd);
}

/*
 * A socket cannot be opened through /proc (ENXIO), nor a stream that another
 * user opened for us (EACCES); those are shared.
 */
static int
open_stream(int stream)
{
	struct stat st;
	char path[32];
	int fd, r;

	if (fstat(stream, &st) < 0)
		return (-errno);
	if (!S_ISSOCK(st.st_mode)) {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", stream);
		fd = open(path,
		    O_WRONLY | O_APPEND | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
		if (fd >= 0)
			return (fd);
	}
	fd = fcntl(stream, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	if (fd < 0)
		return (-errno);
	/* send() takes MSG_DONTWAIT, so a shared socket need not change. */
	if (!S_ISSOCK(st.st_mode) && (r = fd_nonblock(fd)) < 0) {
		fd_close(&fd);
		return (r);
	}
	return (fd);
}

static int
syslog_connect(int fd, const char *path)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	size_t len = strlen(path);

	if (len >= sizeof(sun.sun_path))
		return (-ENAMETOOLONG);
	memcpy(sun.sun_path, path, len);
	if (connect(fd, (struct sockaddr *)&sun, sizeof(sun)) < 0)
		return (-errno);
	return (0);
}

static int
open_syslog(const char *path)
{
	struct tm tm;
	time_t now = 0;
	int fd, r;

	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return (-errno);
	r = syslog_connect(fd, path);
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

static int
open_target(struct sink *s, const char *target)
{
	const char *path = target;

	s->kind = SINK_PATH;
	if (strcmp(target, "stdout") == 0 || strcmp(target, "stderr") == 0) {
		s->kind = SINK_STREAM;
	} else if (strcmp(target, "syslog") == 0) {
		s->kind = SINK_SYSLOG;
		path = SYSLOG_PATH;
	} else if (strncmp(target, "syslog:", 7) == 0) {
		s->kind = SINK_SYSLOG;
		path = target + 7;
	}
	s->path = strdup(path);
	if (s->path == NULL)
		return (-ENOMEM);
	switch (s->kind) {
	case SINK_STREAM:
		return (
		    open_stream(strcmp(target, "stdout") == 0 ? STDOUT_FILENO
							      : STDERR_FILENO));
	case SINK_SYSLOG:
		return (open_syslog(s->path));
	case SINK_PATH:
		break;
	}
	return (open_file(s->path));
}

int
sink_open(struct sink **sink, const char *target)
{
	struct sink *s;
	int r;

	s = calloc(1, sizeof(*s));
	if (s == NULL)
		return (-ENOMEM);
	s->queue = malloc(SINK_QUEUE_BYTES);
	r = s->queue != NULL ? open_target(s, target) : -ENOMEM;
	if (r < 0) {
		free(s->path);
		free(s->queue);
		free(s);
		return (r);
	}
	s->fd = r;
	s->socket = is_socket(s->fd);
	s->journal = sink_is_journal(s->fd);
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
	free(s->path);
	free(s->queue);
	free(s);
}

int
sink_fd(const struct sink *s)
{
	return (s->fd);
}

bool
sink_only_appends(const struct sink *s)
{
	return (fd_only_appends(s->fd));
}

int
sink_own(struct sink *s)
{
	int fd;

	if (s->kind != SINK_SYSLOG)
		return (0);
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return (-errno);
	/* If the daemon is not there, it is tried again with each line. */
	(void)syslog_connect(fd, s->path);
	sink_adopt(s, fd);
	return (0);
}

void
sink_adopt(struct sink *s, int fd)
{
	fd_close(&s->fd);
	s->fd = fd;
	s->socket = is_socket(fd);
	/* The first half is in the old file; the new one gets all of it. */
	s->done = 0;
}

int
sink_reopen(const struct sink *s)
{
	if (s->kind != SINK_PATH)
		return (-ENOTSUP);
	return (open_file(s->path));
}

/* After a fork, what waits is the parent's to write and to count. */
static void
forget_parent(struct sink *s)
{
	if (s->queued == 0 && s->dropped == 0)
		return;
	if (s->owner == getpid())
		return;
	queue_clear(s);
	s->dropped = 0;
}

static void
drop(struct sink *s)
{
	s->dropped++;
	s->owner = getpid();
}

static ssize_t
put_once(const struct sink *s, const char *p, size_t len)
{
	ssize_t n;

	do {
		if (s->socket)
			n = send(s->fd, p, len, MSG_DONTWAIT | MSG_NOSIGNAL);
		else
			n = write(s->fd, p, len);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return (errno == ENOBUFS ? -EAGAIN : -errno);
	return (n == 0 ? -EAGAIN : n);
}

/* A syslog daemon that restarts binds its socket anew; until it has, lines
 * wait. */
static ssize_t
put(const struct sink *s, const char *p, size_t len)
{
	ssize_t n = put_once(s, p, len);

	if (s->kind != SINK_SYSLOG)
		return (n);
	switch (n) {
	case -ECONNREFUSED:
	case -ECONNRESET:
	case -ENOTCONN:
	case -EPIPE:
		if (syslog_connect(s->fd, s->path) < 0)
			return (-EAGAIN);
		return (put_once(s, p, len));
	default:
		return (n);
	}
}

/* Writes what is left of a record. 0 when it is out, else -errno. */
static int
deliver(const struct sink *s, const char *bytes, size_t len, size_t *done)
{
	ssize_t n;

	while (*done < len) {
		n = put(s, bytes + *done, len - *done);
		if (n < 0)
			return ((int)n);
		*done += (size_t)n;
	}
	return (0);
}

/* A line that is half on a full disk is finished when there is room again,
 * or the next line would be glued to it. */
static bool
is_owed(int error, size_t done)
{
	if (error == -EAGAIN)
		return (true);
	return (done > 0 && (error == -ENOSPC || error == -EDQUOT));
}

static int
enqueue(struct sink *s, const char *bytes, size_t len, size_t done)
{
	if (s->queued + sizeof(len) + len > SINK_QUEUE_BYTES) {
		drop(s);
		return (-EAGAIN);
	}
	if (s->queued == 0)
		s->done = done;
	ring_write(s, &len, sizeof(len));
	ring_write(s, bytes, len);
	s->owner = getpid();
	return (0);
}

bool
sink_flush(struct sink *s)
{
	char record[RECORD_MAX];
	size_t len;
	int r;

	forget_parent(s);
	while (s->queued > 0) {
		len = queue_head(s, record);
		r = deliver(s, record, len, &s->done);
		if (r < 0 && is_owed(r, s->done))
			return (false);
		if (r < 0)
			drop(s);
		queue_drop_head(s, len);
	}
	return (true);
}

/* The line as a syslog datagram (RFC 3164 section 4.1); returns its length. */
static size_t
frame(char buf[RECORD_MAX], int severity, const char *line, size_t len)
{
	time_t now = (time_t)(clock_wall() / CLOCK_SEC);
	char stamp[32];
	struct tm tm;
	int n;

	if (localtime_r(&now, &tm) == NULL ||
	    strftime(stamp, sizeof(stamp), "%b %e %H:%M:%S", &tm) == 0)
		strcpy(stamp, "Jan  1 00:00:00");
	n = snprintf(buf, SYSLOG_HEADER_MAX,
	    "<%d>%s sniport[%d]: ", SYSLOG_FACILITY * 8 + (severity & 7), stamp,
	    (int)getpid());
	assert(n > 0 && n < SYSLOG_HEADER_MAX);
	memcpy(buf + n, line, len - 1); /* without the newline */
	return ((size_t)n + len - 1);
}

/* The line with its severity, for the journal; returns its length. */
static size_t
tell_journal(char buf[RECORD_MAX], int severity, const char *line, size_t len)
{
	int n = snprintf(buf, RECORD_MAX, "<%d>", severity & 7);

	memcpy(buf + n, line, len);
	return ((size_t)n + len);
}

int
sink_write(struct sink *s, int severity, const char *line, size_t len)
{
	char record[RECORD_MAX];
	size_t done = 0;
	int r;

	assert(len > 0 && len <= SINK_LINE_MAX && line[len - 1] == '\n');
	if (s->kind == SINK_SYSLOG) {
		len = frame(record, severity, line, len);
		line = record;
	} else if (s->journal) {
		len = tell_journal(record, severity, line, len);
		line = record;
	}
	if (!sink_flush(s))
		return (enqueue(s, line, len, 0));
	r = deliver(s, line, len, &done);
	if (r == 0)
		return (0);
	if (is_owed(r, done))
		return (enqueue(s, line, len, done));
	drop(s);
	return (r);
}

uint64_t
sink_take_dropped(struct sink *s)
{
	uint64_t n;

	forget_parent(s);
	n = s->dropped;
	s->dropped = 0;
	return (n);
}
