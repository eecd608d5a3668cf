/* What a writer shares with the master; private to the files of writer. */
#ifndef MASTER_WRITER_STATE_H
#define MASTER_WRITER_STATE_H

#include <stdatomic.h>
#include <stdint.h>

#include "master/writer.h"

#define WRITER_BUFFER (64 * 1024)

/*
 * Lines that were read from the pipe stand in one of the buffers, of which
 * `at` has the number in its upper half, and how many bytes of it are written
 * in its lower. Behind what was read all is zero, so that the end is known even
 * where the writer died in the moment of reading. The other buffer is zero, or
 * has a copy of the last bytes of this one.
 */
struct writer_state {
	_Atomic uint64_t at;
	_Atomic uint64_t written; /* bytes, of all writers so far */
	/* Of the file that has what is written; 0: of none yet. */
	uint64_t device, inode;
	char buffer[2][WRITER_BUFFER];
};

/* Messages: to the master -errno of what fails, or 0; to the writer: */
#define WRITER_GO    1 /* the one before is gone */
#define WRITER_LEAVE 2 /* another will go on: exit */
#define WRITER_END   3 /* exit when the pipe is empty */

/* The life of a writer: source is the pipe, status the socket to the master. */
_Noreturn void writer_run(const struct writer *, int status);

#endif
