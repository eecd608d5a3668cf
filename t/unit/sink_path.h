/* A sink that writes to a path, for tests that read what was written. */
#ifndef T_UNIT_SINK_PATH_H
#define T_UNIT_SINK_PATH_H

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "common/log/sink.h"

/* 0 or -errno. */
static inline int
sink_path(struct sink **sink, const char *path)
{
	int fd = open(
	    path, O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK | O_CLOEXEC, 0600);
	int error;

	if (fd < 0)
		return (-errno);
	error = sink_new(sink, fd);
	if (error != 0)
		close(fd);
	return (error);
}

#endif
