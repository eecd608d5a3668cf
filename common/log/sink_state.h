/* A sink's state; private to the files of sink. */
#ifndef COMMON_LOG_SINK_STATE_H
#define COMMON_LOG_SINK_STATE_H

#include <sys/types.h>

#include "common/log/sink.h"

struct sink {
	int fd;
	bool socket, journal;
	bool foreign;	   /* a stream that strangers share */
	bool relayed;	   /* somebody else writes the log */
	char *syslog_path; /* NULL: not syslog */
	/* A ring of SINK_QUEUE_BYTES: each line that waits, as it will be
	 * written, after its length. It is there from the beginning, since
	 * what has to be said when memory is out must have room; the kernel
	 * gives it pages when it is used. */
	char *queue;
	size_t head, queued;
	size_t done; /* of the first line: the rest is owed, or it is mangled */
	size_t lines; /* that wait */
	uint64_t dropped;
	int failed;  /* -errno of the last write that did */
	int trouble; /* ... when a line was last dropped */
	pid_t owner; /* who queued and dropped */
	_Atomic uint64_t *owed;
	uint64_t accepted; /* lines, written or queued */
	uint64_t written;
	_Atomic uint64_t *left;
};

/* Connects a datagram socket to that of the syslog daemon. 0 or -errno. */
int sink_connect(int fd, const char *path);

#endif
