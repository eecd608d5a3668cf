/* Reports of loads: who waits by a token finds his own, and no other one. */
#include "common/shm/reports.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "t/unit/tap.h"

static struct reports *writer;
static const struct reports *reader;

static void
load(bool took, const char *finding)
{
	reports_begin(writer);
	if (finding != NULL)
		reports_add(writer, LOG_LEVEL_WARNING, finding);
	reports_end(writer, took, 7, 1000, 2000, "a summary");
}

static void
test_one(void)
{
	struct report *r = NULL;

	is_int(reports_last(reader), 0, "nothing was loaded");
	is_int(reports_read(reader, 0, &r), -ENOENT, "so there is no report");
	reports_begin(writer);
	is_int(reports_last(reader), 1, "the first one begins");
	is_int(reports_state(reader, 1), REPORT_RUNNING, "and runs");
	reports_add(writer, LOG_LEVEL_ERROR, "one");
	if (ok(reports_read(reader, 1, &r) == 0, "it can be read"))
		is_int(r->len, 0, "and tells nothing before its end");
	free(r);
	reports_add(writer, LOG_LEVEL_NOTICE, "two\nlines\x7f");
	reports_end(writer, false, 0, 5, 6, "");
	if (!ok(reports_read(reader, 1, &r) == 0, "it is over"))
		return;
	is_int(r->state, REPORT_FAILED, "and failed");
	ok(r->ended == 5 && r->time == 6 && r->generation == 0, "when");
	ok(r->found[LOG_LEVEL_ERROR] == 1 && r->found[LOG_LEVEL_NOTICE] == 1 &&
		r->found[LOG_LEVEL_WARNING] == 0 && r->left_out == 0,
	    "with so many findings");
	is_str(strndupa(r->text, r->len), "0one\n2two\\x0alines\\x7f\n",
	    "which are lines, whatever is in them");
	free(r);
}

static void
test_tokens(void)
{
	uint64_t token;

	is_int(reports_find(reader, 0), 0, "0 is no token");
	is_int(reports_find(reader, 5), 0, "one that is not known");
	ok(reports_ask(writer, 5), "it is taken");
	is_int(reports_find(reader, 5), 2, "waits for the next load");
	is_int(reports_state(reader, 2), REPORT_WAITING, "which waits, too");
	reports_begin(writer);
	ok(!reports_ask(writer, 5), "but once");
	is_int(reports_find(reader, 5), 2, "to ask again changes nothing");
	(void)reports_ask(writer, 6);
	is_int(reports_find(reader, 6), 3,
	    "who asks while it runs waits for another one");
	reports_end(writer, true, 8, 0, 0, "");
	is_int(reports_state(reader, 2), REPORT_TOOK, "it took");
	is_int(reports_state(reader, 3), REPORT_WAITING, "the next one waits");
	for (token = 100; token < 100 + REPORTS_TOKENS; token++)
		(void)reports_ask(writer, token);
	is_int(
	    reports_find(reader, 6), 0, "of too many the first is forgotten");
	is_int(reports_find(reader, 100), 3, "and no other one");
}

static void
test_many(void)
{
	uint64_t first = reports_last(reader) + 1;
	struct report *r;
	int i;

	for (i = 0; i <= REPORTS_KEPT; i++)
		load(true, "x");
	is_int(reports_read(reader, first, &r), -ENOENT,
	    "the oldest has made room");
	is_int(reports_state(reader, first), REPORT_WAITING,
	    "and its state is not another's");
	if (ok(reports_read(reader, first + 1, &r) == 0, "the next is there")) {
		is_int(r->serial, first + 1, "it is that");
		is_int(r->len, 3, "with its finding alone");
		is_str(r->summary, "a summary", "and its summary");
		free(r);
	}
}

static void
test_long(void)
{
	static char text[9000];
	struct report *r;
	unsigned i, n = 2 * REPORTS_TEXT_MAX / 4000;

	memset(text, 'a', sizeof(text) - 1);
	reports_begin(writer);
	for (i = 0; i < n; i++)
		reports_add(writer, LOG_LEVEL_ERROR, text);
	reports_add(writer, LOG_LEVEL_ERROR, "short");
	memset(text, 's', sizeof(text) - 1);
	reports_end(writer, false, 1, 0, 0, text);
	if (!ok(reports_read(reader, reports_last(reader), &r) == 0,
		"a long one"))
		return;
	is_int(r->found[LOG_LEVEL_ERROR], n + 1, "counts all");
	ok(r->left_out > n / 3 && r->left_out < n, "and those left out");
	ok(r->len <= REPORTS_TEXT_MAX &&
		r->len / (n + 1 - r->left_out) * (n + 1 - r->left_out) ==
		    r->len &&
		r->text[r->len - 1] == '\n',
	    "those that are there are whole lines");
	ok(memmem(r->text, r->len, "...\n", 4) != NULL, "which may be cut");
	is_int(strlen(r->summary), REPORTS_SUMMARY_SIZE - 1, "so may it be");
	free(r);
}

int
main(void)
{
	struct reports *again;
	int to, fd, other[2];
	void *map;

	if (!ok(reports_new(&writer, &to, &fd) == 0, "the memory is made") ||
	    !ok(reports_map(&reader, fd) == 0, "and mapped to be read"))
		return (done_testing());
	map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ok(map == MAP_FAILED, "nobody can write it by that");
	if (pipe(other) == 0) {
		const struct reports *none;

		is_int(reports_map(&none, other[0]), -EPROTO, "a pipe is none");
		close(other[0]);
		close(other[1]);
	}
	is_int(
	    reports_adopt(&again, to), 0, "it is mapped to be written again");
	reports_unmap(again);
	test_one();
	test_tokens();
	test_many();
	test_long();
	reports_unmap(reader);
	reports_unmap(writer);
	reports_unmap(NULL);
	fd_close(&to);
	fd_close(&fd);
	return (done_testing());
}
