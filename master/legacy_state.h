/* What a dead worker has left; private to the files of legacy. */
#ifndef MASTER_LEGACY_STATE_H
#define MASTER_LEGACY_STATE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>

#include "common/base/seen.h"
#include "common/shm/table.h"
#include "master/crew.h"
#include "master/scribe.h"

struct legacy {
	TAILQ_ENTRY(legacy) entry;
	struct scribe scribe;
	bool begun; /* else it waits for its turn */
	struct crew *crew;
	unsigned worker;
	pid_t pid; /* of the worker */
	int table;
	uint64_t room;	/* that the table may take, in bytes */
	uint64_t taken; /* by it */
	int64_t died;
	uint64_t accepted; /* connections, as the worker counted them */
	uint64_t guess;	   /* how many lines, if nobody comes to count them */
	/* Since when it has had so many lines written. */
	int64_t since;
	uint64_t written;
	int64_t leave_until; /* its scribe was told to leave; NEVER */
	/* In the scribe. */
	struct table_reader reader;
	struct seen numbers, unused;
	bool again; /* the tunnel that was found has the number of another */
	struct terms_names names;
	struct table_entry found;
};

/* Where its scribe has the lines from. */
struct scribe_source legacy_lines(struct legacy *);

#endif
