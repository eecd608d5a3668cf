/* The lines of one log on their way: written whole, or queued, or counted. */
#include "common/log/sink.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/log/sink_state.h"

#define SYSLOG_FACILITY 3 /* daemon (RFC 3164 section 4.1.1) */

/* "<31>Jan  2 03:04:05 sniport[1234567]: " and room to spare. */
#define SYSLOG_HEADER_MAX 64
#define RECORD_MAX	  (SYSLOG_HEADER_MAX + SINK_LINE_MAX)

int
sink_connect(int fd, const char *path)
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

uint64_t
sink_accepted(const struct sink *s)
{
	return (s->accepted);
}

uint64_t
sink_left(const struct sink *s)
{
	return (s->accepted - s->lines);
}

uint64_t
sink_written(const struct sink *s)
{
	return (s->written);
}

static void
publish(const struct sink *s)
{
	if (s->left != NULL)
		atomic_store_explicit(
		    s->left, sink_left(s), memory_order_relaxed);
	if (s->owed != NULL)
		atomic_store_explicit(
		    s->owed, s->lines + s->dropped, memory_order_relaxed);
}

static void
queue_clear(struct sink *s)
{
	/* From the beginning, where there are pages already. */
	s->head = s->queued = s->done = s->lines = 0;
}

static void
queue_drop_head(struct sink *s, size_t len)
{
	s->queued -= sizeof(len) + len;
	s->head = (s->head + sizeof(len) + len) % SINK_QUEUE_BYTES;
	s->done = 0;
	s->lines--;
	if (s->queued == 0)
		queue_clear(s);
	publish(s);
}

int
sink_fd(const struct sink *s)
{
	return (s->fd);
}

size_t
sink_waiting(const struct sink *s)
{
	return (s->queued - s->done);
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
	s->trouble = s->failed;
	s->owner = getpid();
	publish(s);
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

/* Is there nobody any more who would read? */
static bool
is_gone(int error)
{
	switch (error) {
	case -ECONNREFUSED:
	case -ECONNRESET:
	case -ENOTCONN:
	case -EPIPE:
		return (true);
	default:
		return (false);
	}
}

/* A syslog daemon that restarts binds its socket anew; until it has, lines
 * wait. */
static ssize_t
put(struct sink *s, const char *p, size_t len)
{
	ssize_t n = put_once(s, p, len);

	if (n < 0)
		s->failed = (int)n;
	if (s->syslog_path == NULL || !is_gone((int)n))
		return (n);
	if (sink_connect(s->fd, s->syslog_path) < 0)
		return (-EAGAIN);
	n = put_once(s, p, len);
	if (n < 0)
		s->failed = (int)n;
	return (n);
}

/* Writes what is left of a record. 0 when it is out, else -errno. */
static int
deliver(struct sink *s, const char *bytes, size_t len, size_t *done)
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

/* A line that is half on a full disk, or at a limit of its file's size, is
 * finished when there is room again, or the next line would be glued to it. */
static bool
is_owed(int error, size_t done)
{
	if (error == -EAGAIN)
		return (true);
	return (done > 0 &&
		(error == -ENOSPC || error == -EDQUOT || error == -EFBIG));
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
	s->lines++;
	s->accepted++;
	s->owner = getpid();
	publish(s);
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
		else
			s->written++;
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
	if (s->syslog_path != NULL) {
		len = frame(record, severity, line, len);
		line = record;
	} else if (s->journal) {
		len = tell_journal(record, severity, line, len);
		line = record;
	}
	if (!sink_flush(s))
		return (enqueue(s, line, len, 0));
	r = deliver(s, line, len, &done);
	if (r == 0) {
		s->accepted++;
		s->written++;
		publish(s);
		return (0);
	}
	if (is_owed(r, done))
		return (enqueue(s, line, len, done));
	drop(s);
	return (r);
}

/* What stands in front of a line in its record. */
static size_t
head_length(const struct sink *s, const char *record, size_t len)
{
	const char *end;

	if (s->syslog_path == NULL && !s->journal)
		return (0);
	end = s->journal ? memchr(record, '>', len)
			 : memmem(record, len, "]: ", 3);
	if (end == NULL)
		return (0);
	return ((size_t)(end - record) + (s->journal ? 1 : 3));
}

void
sink_abandon(struct sink *s,
    void (*lost)(void *arg, const char *line, size_t len), void *arg)
{
	char record[RECORD_MAX];
	size_t len, head;

	forget_parent(s);
	while (s->queued > 0) {
		len = queue_head(s, record);
		head = head_length(s, record, len);
		lost(arg, record + head, len - head);
		queue_drop_head(s, len);
	}
}

uint64_t
sink_take_dropped(struct sink *s)
{
	uint64_t n;

	forget_parent(s);
	n = s->dropped;
	s->dropped = 0;
	publish(s);
	return (n);
}

const char *
sink_describe(int error)
{
	if (is_gone(error))
		return ("its reader is gone");
	if (error == -EAGAIN)
		return ("its reader has stalled");
	return (strerrordesc_np(-error));
}

const char *
sink_describe_open(int error)
{
	/* fork(2); no reader has to do with it. */
	if (error == -EAGAIN)
		return ("the process that writes it cannot be forked: "
			"Resource temporarily unavailable");
	if (error == -ECHILD)
		return ("the process that writes it died before it was open");
	if (error == -EBADF)
		return ("it is closed, or open for reading alone");
	if (error == -ETIMEDOUT)
		return ("its disk does not answer");
	return (sink_describe(error));
}

const char *
sink_trouble(const struct sink *s)
{
	/* What keeps it, the master knows and tells. */
	if (s->relayed && s->trouble == -EAGAIN)
		return ("it takes no more");
	return (sink_describe(s->trouble));
}

void
sink_publish(struct sink *s, _Atomic uint64_t *owed)
{
	forget_parent(s);
	s->owed = owed;
	publish(s);
}

void
sink_publish_left(struct sink *s, _Atomic uint64_t *left)
{
	forget_parent(s);
	s->left = left;
	publish(s);
}
