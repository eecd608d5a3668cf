/*
 * Where log lines go: a pipe, a standard stream or syslog; one line is one
 * write, and a reader that stalls never stops the writer.
 */
#ifndef COMMON_LOG_SINK_H
#define COMMON_LOG_SINK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The longest line, newline included: PIPE_BUF, so that lines of several
 * processes never mingle in a pipe (pipe(7)). */
#define SINK_LINE_MAX 4096

/* So many bytes wait for a stalled reader before lines are dropped. Each sink
 * has room for them from its opening on. */
#define SINK_QUEUE_BYTES (256 * 1024)

struct sink;

/*
 * Opens "stdout", "stderr", "syslog" (datagrams to /dev/log, RFC 3164 framing)
 * or "syslog:PATH" (the same to another socket). A standard stream that is a
 * pipe, a terminal or a file is opened anew through /proc/self/fd, since
 * O_NONBLOCK on the inherited description would be shared with strangers.
 * 0 with *sink owned by the caller, or -errno.
 */
int sink_open(struct sink **sink, const char *target);

/* A sink for what is open already and does not block: a pipe to who writes the
 * log; takes fd. 0, or -ENOMEM, and fd stays the caller's. */
int sink_new(struct sink **sink, int fd);

/* Writes what it can and forgets what waits. */
void sink_close(struct sink *);

/* Forgets it, and lets what it writes to be. */
void sink_leave(struct sink *);

/*
 * May a write block, whatever its flags say? It may with files and devices,
 * whose disk may hang, and with streams that could not be opened anew. Only a
 * process that has nothing else to do may write to such a sink.
 */
bool sink_may_block(const struct sink *);

/* The kernel object, for another process to inherit; borrowed. */
int sink_fd(const struct sink *);

/*
 * After a fork: gives this process a socket of its own to the syslog daemon. If
 * all shared one, a process that connects it to another place would send the
 * lines of all there. Other targets are shared as they are. 0 or -errno.
 */
int sink_own(struct sink *);

/*
 * Is this descriptor a stream of the journal, whose lines may begin with their
 * severity, "<3>" (sd-daemon(3))? The environment variable JOURNAL_STREAM names
 * the stream that the service was given; no other one counts.
 */
bool sink_is_journal(int fd);

/*
 * Writes or queues one line (with its newline; severity as in syslog(3), which
 * syslog and the journal are told). 0; -EAGAIN: dropped since the queue is
 * full; other -errno: dropped since the write failed (no reader). Takes no
 * memory, and does not block unless sink_may_block().
 */
int sink_write(struct sink *, int severity, const char *line, size_t len);

/* Tries to write what is queued. True: nothing is left. */
bool sink_flush(struct sink *);

/* Forgets what is queued, and calls the function with each of these lines. */
void sink_abandon(struct sink *,
    void (*lost)(void *arg, const char *line, size_t len), void *arg);

/* Bytes that wait. */
size_t sink_waiting(const struct sink *);

/* Lines dropped since the last call. */
uint64_t sink_take_dropped(struct sink *);

/*
 * Why the last one was dropped, as a clause without a capital: that its reader
 * has stalled is not that its reader is gone, nor that its disk is full.
 */
const char *sink_trouble(const struct sink *);

/* What an error (-errno) of writing to a log means, in the same way. */
const char *sink_describe(int error);

/* What an error of opening one means, where EAGAIN is of the process that is
 * forked to write it. */
const char *sink_describe_open(int error);

/*
 * From now on *owed, which is borrowed, tells how many lines would be lost
 * unnoticed if this process died: those that wait, and those dropped since
 * sink_take_dropped().
 */
void sink_publish(struct sink *, _Atomic uint64_t *owed);

/*
 * Each line that is written or queued has a number: 1, 2, ... What is dropped
 * at once has none. The number of the last line so far; and of the last that
 * has left: it was written, or lost when its turn came, and so were all before
 * it. The latter stands in *left, which is borrowed, from now on, and is there
 * before anything else is done after a line has left.
 */
uint64_t sink_accepted(const struct sink *);
uint64_t sink_left(const struct sink *);
void sink_publish_left(struct sink *, _Atomic uint64_t *left);

/* How many lines it has written so far. */
uint64_t sink_written(const struct sink *);

#endif
