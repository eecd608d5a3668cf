/* Writes the counters of all workers to the error log. */
#include "master/totals.h"

#include <inttypes.h>
#include <stdio.h>

#include "common/log/log.h"
#include "common/log/sink.h"

/* What the log puts before the text: time, level, who it is. */
#define HEAD_MAX 128

static size_t
put(char text[TOTALS_TEXT_SIZE], size_t len, const char *name, uint64_t count)
{
	if (count == 0)
		return (len);
	return (len + (size_t)snprintf(text + len, TOTALS_TEXT_SIZE - len,
			  "%s%s %" PRIu64, len > 0 ? ", " : "", name, count));
}

void
totals_format(struct shm *shm, char text[TOTALS_TEXT_SIZE])
{
	size_t len = 0;
	unsigned i;

	for (i = 0; i < STAT_COUNT; i++)
		len = put(text, len, stats_name(i), stats_total(shm, i));
	for (i = 0; i < REASON_COUNT; i++)
		len =
		    put(text, len, reason_name(i), stats_total_reason(shm, i));
	if (len == 0)
		snprintf(text, TOTALS_TEXT_SIZE, "none");
}

void
totals_log(struct shm *shm, struct log *log)
{
	char text[TOTALS_TEXT_SIZE];

	_Static_assert(TOTALS_TEXT_SIZE + HEAD_MAX <= SINK_LINE_MAX,
	    "all of them fit into a line");
	totals_format(shm, text);
	log_write(log, LOG_LEVEL_INFO, "counters: %s", text);
}
