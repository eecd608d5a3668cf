/*
 * What became of each load of the configuration, in memory that the master
 * writes and the admin process reads. Who asks for a reload gives it a token,
 * by which its report is found again, whichever admin process is there then.
 */
#ifndef COMMON_SHM_REPORTS_H
#define COMMON_SHM_REPORTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/log/log.h"

/* Of the map's layout. */
#define REPORTS_VERSION 1

/* So many reports are kept, and tokens of those who wait for one. */
#define REPORTS_KEPT   8
#define REPORTS_TOKENS 64

/* Of the findings of one; there is memory only where something was written. */
#define REPORTS_TEXT_MAX     (256 * 1024)

#define REPORTS_SUMMARY_SIZE 256

enum report_state {
	REPORT_WAITING, /* it has not begun */
	REPORT_RUNNING,
	REPORT_TOOK,
	REPORT_FAILED
};

/* A report as it is read. */
struct report {
	uint64_t serial; /* 1, 2, ...: the start is the first */
	enum report_state state;
	/* Once it is over: */
	uint32_t generation; /* which serves now */
	int64_t ended, time; /* ns since 1970; ns that it has taken */
	uint32_t found[LOG_LEVEL_NOTICE + 1]; /* findings, by their levels */
	uint32_t left_out; /* of them, those which the text has no room for */
	char summary[REPORTS_SUMMARY_SIZE]; /* "2 workers, 1 listener, ..." */
	/* The findings, each a line: a digit, which is its level, and what was
	 * found. They have no control characters. */
	size_t len;
	char text[];
};

/* The memory, as one process sees it. */
struct reports;

/*
 * Makes it: 0 with *writer mapped here, which no child has, *fd, by which it
 * can be written, and *reader, by which it can be read, and never written. All
 * are owned by the caller. Or -errno.
 */
int reports_new(struct reports **writer, int *fd, int *reader);

/* Two programs whose numbers are the same have the same layout. */
uint64_t reports_layout(void);

/* Maps what another program has made, to be written; the descriptor stays the
 * caller's. 0, or -errno; -EPROTO: its layout is another one. */
int reports_adopt(struct reports **writer, int fd);

/* Maps it to be read; the descriptor stays the caller's. 0, or -errno; -EPROTO:
 * its layout is another one. */
int reports_map(const struct reports **, int reader);

/* NULL is let be. */
void reports_unmap(const struct reports *);

/*
 * For the writer alone. Whoever has that token, which is not 0, waits for the
 * next load that begins; of too many the first is forgotten. False: the token
 * is there already, and stays as it is.
 */
bool reports_ask(struct reports *, uint64_t token);

/* A load begins, the one before being over. */
void reports_begin(struct reports *);

/* One finding of it, of level ERROR, WARNING or NOTICE. */
void reports_add(struct reports *, enum log_level, const char *text);

/* It is over. The summary is cut where it is too long. */
void reports_end(struct reports *, bool took, uint32_t generation,
    int64_t ended, int64_t time, const char *summary);

/* For readers. The last load that has begun; 0: there was none. */
uint64_t reports_last(const struct reports *);

/* Which load does that token wait for? 0: it is not known. */
uint64_t reports_find(const struct reports *, uint64_t token);

/* How is it? WAITING as well for one that is not kept any more: then its number
 * is not higher than that of the last one. */
enum report_state reports_state(const struct reports *, uint64_t serial);

/* Reads the report of a load that has begun: 0 with *report owned by the
 * caller, to be freed; -ENOENT: it is not kept; -ENOMEM. */
int reports_read(
    const struct reports *, uint64_t serial, struct report **report);

#endif
