/* The counters of all workers that are or were, for the error log. */
#ifndef MASTER_TOTALS_H
#define MASTER_TOTALS_H

#include "common/reason.h"
#include "common/shm/stats.h"

struct log;

/* Room for every counter at its highest: a separator, its name, a blank and
 * 20 digits. The first has no separator, the end has a NUL. */
enum {
	TOTALS_TEXT_SIZE =
#define STAT(id, name, text) sizeof(", " name " 18446744073709551615") - 1 +
#include "common/shm/stats.def"
#undef STAT
#define REASON(id, name, class, text, advice) \
	sizeof(", " name " 18446744073709551615") - 1 +
#include "common/reason.def"
#undef REASON
	    sizeof("none")
};

/* "accepted 12, established 9, done 9, no_rule 3": what is not 0, in the order
 * of stats.def and reason.def; "none". */
void totals_format(struct shm *, char text[TOTALS_TEXT_SIZE]);

/* Writes them as one line of level info. */
void totals_log(struct shm *, struct log *);

#endif
