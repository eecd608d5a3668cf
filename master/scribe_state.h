/* What a scribe shares with the master; private to the files of scribe. */
#ifndef MASTER_SCRIBE_STATE_H
#define MASTER_SCRIBE_STATE_H

#include <stdatomic.h>
#include <stdint.h>

#include "master/scribe.h"

struct scribe_state {
	/* How many lines there are, which is seen before any is written, and
	 * how many of the connections their worker has not counted. */
	_Atomic uint64_t counted; /* enum scribe_counted */
	_Atomic uint64_t lines, uncounted;
	_Atomic uint64_t at; /* lines before this one are written */
	_Atomic uint64_t written, left_out;
	_Atomic uint64_t waiting; /* for its log, which is not its fault */
	_Atomic uint64_t leave;	  /* the master wants it to end */
};

enum scribe_counted {
	SCRIBE_COUNTS,
	SCRIBE_HAS_COUNTED,
	SCRIBE_CANNOT_COUNT /* too many have died of that */
};

/* Its exit status where there is nothing that could be read, and where it was
 * told to end. */
#define SCRIBE_UNREADABLE 2
#define SCRIBE_LEFT	  3

/* The life of a scribe. */
_Noreturn void scribe_run(const struct scribe *);

#endif
