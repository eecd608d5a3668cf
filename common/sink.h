/*
 * Where log lines go: a file, a standard stream or syslog; one line is one
 * write, and a reader that stalls never stops the writer.
 */
#ifndef COMMON_SINK_H
#define COMMON_SINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The longest line, newline included: PIPE_BUF, so that lines of several
 * processes never mingle in a pipe (pipe(7)). */
#define SINK_LINE_MAX 4096

/* What waits for a stalled reader before lines are dropped; each sink has the
 * room from its opening on. */
#define SINK_QUEUE_BYTES (256 * 1024)

struct sink;

/*
 * Opens a target: a path (created 0640, appended to), "stdout", "stderr",
 * "syslog" (datagrams to /dev/log, RFC 3164 framing) or "syslog:PATH" (the
 * same to another socket). A standard stream that is a pipe, a terminal or a
 * file is opened anew through /proc/self/fd, since O_NONBLOCK on the inherited
 * description would be shared with strangers.
 * 0 with *sink owned by the caller, or -errno.
 */
int sink_open(struct sink **sink, const char *target);
void sink_close(struct sink *);

/* The kernel object, for handing to another process; borrowed. */
int sink_fd(const struct sink *);

/* Can whom it is handed to only add to it? Not so where it is a standard stream
 * that is a file, was not opened for appending alone, and could not be opened
 * anew. */
bool sink_only_appends(const struct sink *);

/*
 * After a fork: gives this process a socket of its own to the syslog daemon, or
 * else whoever connects the one that all share to another place has the lines
 * of all go there. Other targets are shared as they are. 0 or -errno.
 */
int sink_own(struct sink *);

/* Replaces the kernel object (log files were reopened); takes fd. */
void sink_adopt(struct sink *, int fd);

/*
 * Is this descriptor a stream of the journal, whose lines may begin with their
 * severity, "<3>" (sd-daemon(3))? By the environment variable JOURNAL_STREAM,
 * which names the one that a service was given; another stream that the service
 * was sent to is none.
 */
bool sink_is_journal(int fd);

/*
 * Opens the same target once more and returns the new fd, owned by the
 * caller, or -errno; -ENOTSUP where the target is not a path and has nothing
 * to reopen.
 */
int sink_reopen(const struct sink *);

/*
 * Writes or queues one line (with its newline; severity as in syslog(3), which
 * syslog and the journal are told). 0; -EAGAIN: dropped since the queue is full; other
 * -errno: dropped since the write failed (disk full). Never blocks, and takes
 * no memory.
 */
int sink_write(struct sink *, int severity, const char *line, size_t len);

/* Tries to write what is queued. True: nothing is left. */
bool sink_flush(struct sink *);

/* Lines dropped since the last call. */
uint64_t sink_take_dropped(struct sink *);

#endif
