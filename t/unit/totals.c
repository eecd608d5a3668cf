/* Totals in the error log: what is written, and when a worker lies. */
#include <stdlib.h>
#include <unistd.h>

#include "common/log/log.h"
#include "common/log/sink.h"
#include "master/totals.h"
#include "t/unit/sink_path.h"
#include "t/unit/tap.h"

/* The line that totals_log() writes, read back from a file. */
static void
logged(struct shm *s, enum log_level level, char line[2 * SINK_LINE_MAX])
{
	char path[] = "/tmp/totals-XXXXXX";
	int fd = mkstemp(path);
	struct sink *sink = NULL;
	struct log *log = NULL;
	ssize_t n;

	line[0] = '\0';
	if (fd == -1 || sink_path(&sink, path) != 0 ||
	    log_new(&log, sink, level, "master") != 0)
		abort();
	totals_log(s, log);
	log_free(log);
	sink_close(sink);
	unlink(path);
	n = read(fd, line, 2 * SINK_LINE_MAX - 1);
	line[n > 0 ? n : 0] = '\0';
	close(fd);
}

static void
test_some(struct shm *s)
{
	char text[TOTALS_TEXT_SIZE];
	int a = shm_take(s, true), b = shm_take(s, true);
	struct shm *one, *two;

	if (!ok(shm_join(s, a, &one) == 0 && shm_join(s, b, &two) == 0,
		"two workers"))
		return;
	totals_format(s, text);
	is_str(text, "none", "nothing was counted");
	stats_add(&stats_mine(one)->reason[REASON_NO_RULE], 3);
	totals_format(s, text);
	is_str(text, "no_rule 3", "one");
	stats_add(&stats_mine(one)->count[STAT_ACCEPTED], 5);
	stats_add(&stats_mine(two)->count[STAT_ACCEPTED], 7);
	stats_add(&stats_mine(two)->count[STAT_AUDIT_DROPPED], 1);
	stats_add(&stats_mine(two)->reason[REASON_DONE], 9);
	stats_add(&stats_mine(two)->tunnels, 2);
	totals_format(s, text);
	is_str(text, "accepted 12, audit_dropped 1, done 9, no_rule 3",
	    "sums, in the order of the tables; open tunnels are none of them");
	stats_retire(s, b);
	totals_format(s, text);
	is_str(text, "accepted 12, audit_dropped 1, done 9, no_rule 3",
	    "they stay when a worker is gone");
	stats_retire(s, a);
	shm_free(one);
	shm_free(two);
}

/* A worker that says of every counter that it is at its highest, and goes. */
static void
lie(struct shm *s)
{
	int slot = shm_take(s, true);
	struct shm *worker;
	unsigned i;

	if (slot < 0 || shm_join(s, slot, &worker) != 0)
		abort();
	for (i = 0; i < STAT_COUNT; i++)
		stats_add(&stats_mine(worker)->count[i], UINT64_MAX);
	for (i = 0; i < REASON_COUNT; i++)
		stats_add(&stats_mine(worker)->reason[i], UINT64_MAX);
	shm_free(worker);
	stats_retire(s, slot);
	shm_release(s, slot);
}

/* All there are at their highest, and nothing is cut. */
static void
test_full(struct shm *s)
{
	char text[TOTALS_TEXT_SIZE], line[2 * SINK_LINE_MAX];
	const char *at, *field = text;
	int n = 0;

	/* By as many workers that lie as it takes. */
	while (stats_total(s, 0) < UINT64_MAX ||
	       stats_total_reason(s, REASON_COUNT - 1) < UINT64_MAX)
		lie(s);
	totals_format(s, text);
	is_int((int64_t)strlen(text), TOTALS_TEXT_SIZE - sizeof("none") - 2,
	    "the room is what all of them need");
	while ((at = strstr(field, " 18446744073709551615")) != NULL) {
		n++;
		field = at + strlen(" 18446744073709551615");
	}
	is_int(n, STAT_COUNT + REASON_COUNT, "all of them");
	is_str(field, "", "to the last");
	logged(s, LOG_LEVEL_INFO, line);
	at = strstr(line, " info master[");
	ok(at != NULL && strstr(at, "]: counters: ") != NULL, "as a line");
	at = at != NULL ? strstr(at, "counters: ") : NULL;
	ok(at != NULL && strncmp(at + 10, text, strlen(text)) == 0 &&
		strcmp(at + 10 + strlen(text), "\n") == 0,
	    "which has the whole text");
	logged(s, LOG_LEVEL_NOTICE, line);
	is_str(line, "", "of level info");
}

int
main(void)
{
	struct shm *s;

	if (!ok(shm_new(&s) == 0, "shared memory"))
		return (done_testing());
	test_some(s);
	test_full(s);
	shm_free(s);
	return (done_testing());
}
