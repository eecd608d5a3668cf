/* What a scribe shares with the master; private to the files of scribe. */
#ifndef MASTER_SCRIBE_STATE_H
#define MASTER_SCRIBE_STATE_H

#include <stdatomic.h>
#include <stdint.h>

#include "master/scribe.h"

struct scribe_state {
	_Atomic uint64_t at; /* lines before this one are written */
	_Atomic uint64_t written, broken, left_out;
	_Atomic uint64_t waiting; /* for its log, which is not its fault */
};

/* Its exit status where there is nothing that could be read. */
#define SCRIBE_UNREADABLE 2

/* The life of a scribe. */
_Noreturn void scribe_run(const struct scribe *);

#endif
