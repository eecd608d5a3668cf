/*
 * The error log: one line is one write, too long ones are cut, and floods are
 * rate-limited.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/log/log.h"
#include "common/log/sink.h"
#include "t/unit/sink_path.h"
#include "t/unit/tap.h"

static char dir[] = "/tmp/log-XXXXXX";
static char path[64];

/* Reads what came since the last call, and empties the file. */
static const char *
take(char buf[2 * SINK_LINE_MAX])
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = read(fd, buf, 2 * SINK_LINE_MAX - 1);

	buf[n < 0 ? 0 : n] = '\0';
	close(fd);
	if (truncate(path, 0) != 0)
		abort();
	return (buf);
}

/* The text behind time, level and name, or NULL if those are not right. */
static const char *
text_of(const char *line, const char *level, const char *who)
{
	unsigned year, month, day, h, m, s, ms;
	char want[64];
	int at = 0;

	if (sscanf(line, "%4u-%2u-%2uT%2u:%2u:%2u.%3uZ %n", &year, &month, &day,
		&h, &m, &s, &ms, &at) != 7 ||
	    at != CLOCK_TEXT_SIZE)
		return (NULL);
	snprintf(want, sizeof(want), "%s %s[%d]: ", level, who, (int)getpid());
	if (strncmp(line + at, want, strlen(want)) != 0)
		return (NULL);
	return (line + at + strlen(want));
}

static void
test_line(struct log *l)
{
	char buf[2 * SINK_LINE_MAX];

	errno = EXDEV;
	log_write(l, LOG_LEVEL_WARNING, "listener %s: %d left", "[::]:8443", 3);
	is_int(errno, EXDEV, "errno is kept");
	is_str(text_of(take(buf), "warning", "master"),
	    "listener [::]:8443: 3 left\n", "time, level, name, text");
	log_write(l, LOG_LEVEL_DEBUG, "no");
	is_str(take(buf), "", "a level that is not wanted");
	log_write(l, LOG_LEVEL_INFO, "%s", "a\nb\r\x1b[31m\x7f\x80\xff\tz");
	is_str(text_of(take(buf), "info", "master"),
	    "a\\x0ab\\x0d\\x1b[31m\\x7f\\x80\\xff\\x09z\n", "escaped");
	log_name(l, "worker 3");
	log_write(l, LOG_LEVEL_ERROR, "x");
	is_str(text_of(take(buf), "error", "worker 3"), "x\n", "another name");
	log_name(l, "a name that is a good deal longer than any that we give");
	log_write(l, LOG_LEVEL_ERROR, "x");
	ok(strstr(take(buf), "]: x\n") != NULL, "a long name is cut");
	log_name(l, "master");
}

static void
test_cut(struct log *l)
{
	char buf[2 * SINK_LINE_MAX], text[2 * SINK_LINE_MAX];
	size_t i, len, whole = 0;

	memset(text, 'y', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	log_write(l, LOG_LEVEL_INFO, "%s", text);
	take(buf);
	is_int(strlen(buf), SINK_LINE_MAX, "cut at the longest line");
	is_str(buf + SINK_LINE_MAX - 5, "y...\n", "and marked");
	/* Whatever the alignment, no escape is cut in two. */
	for (i = 0; i < 8; i++) {
		memset(text, 0xff, sizeof(text) - 1);
		memset(text, 'y', i);
		log_write(l, LOG_LEVEL_INFO, "%s", text);
		len = strlen(take(buf));
		whole += len <= SINK_LINE_MAX && len > SINK_LINE_MAX - 4 &&
			 strcmp(buf + len - 8, "\\xff...\n") == 0;
	}
	is_int(whole, 8, "escapes are whole or not there");
	/* Longer than fits raw, but not than what is formatted. */
	memset(text, 'y', SINK_LINE_MAX);
	text[SINK_LINE_MAX - 1] = '\0';
	log_write(l, LOG_LEVEL_INFO, "%s", text);
	is_str(take(buf) + SINK_LINE_MAX - 5, "y...\n", "cut by the header");
}

static void
test_rate(struct log *l)
{
	struct log_rate rate = { 0, 0 };
	char buf[2 * SINK_LINE_MAX];

	log_write_rate(l, &rate, LOG_LEVEL_DEBUG, "unwanted");
	ok(rate.next == 0, "a level that is not wanted costs nothing");
	log_write_rate(l, &rate, LOG_LEVEL_INFO, "n %d", 1);
	is_str(text_of(take(buf), "info", "master"), "n 1\n", "the first");
	rate.next = clock_now() + 3600 * CLOCK_SEC;
	log_write_rate(l, &rate, LOG_LEVEL_INFO, "n %d", 2);
	log_write_rate(l, &rate, LOG_LEVEL_INFO, "n %d", 3);
	is_str(take(buf), "", "too soon");
	rate.next = clock_now();
	log_write_rate(l, &rate, LOG_LEVEL_INFO, "n %d", 4);
	is_str(text_of(take(buf), "info", "master"), "n 4 (2 more left out)\n",
	    "says how many");
	ok(rate.left_out == 0 && rate.next > clock_now() &&
		rate.next <= clock_now() + CLOCK_SEC,
	    "at most one a second");
	ok(!log_due(l, &rate, LOG_LEVEL_INFO) && rate.left_out == 1,
	    "who asks first is told so, and is counted");
	ok(!log_due(l, &rate, LOG_LEVEL_DEBUG) && rate.left_out == 1,
	    "but not for a level that is not wanted");
	rate.next = clock_now();
	ok(log_due(l, &rate, LOG_LEVEL_INFO) && rate.left_out == 1,
	    "a second later one is due");
}

/* A reader that stalls learns how many lines it missed. */
static void
test_lost(void)
{
	char buf[2 * SINK_LINE_MAX], text[4000];
	struct sink *sink = NULL;
	struct log *l = NULL;
	struct log_rate rate = { 0, 0 };
	int fd, sent = 0;
	FILE *f;

	unlink(path);
	if (mkfifo(path, 0600) != 0)
		return;
	fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (sink_path(&sink, path) != 0 ||
	    log_new(&l, sink, LOG_LEVEL_INFO, "master") != 0) {
		ok(false, "a FIFO opens");
		return;
	}
	memset(text, 'y', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	errno = EXDEV;
	for (sent = 0; sent < 200; sent++)
		log_write(l, LOG_LEVEL_INFO, "%s", text);
	log_write_rate(l, &rate, LOG_LEVEL_INFO, "lost");
	is_int(errno, EXDEV, "errno is kept where a line is lost");
	f = fdopen(fd, "r");
	sent = 0;
	do {
		clearerr(f);
		while (fgets(buf, sizeof(buf), f) != NULL)
			sent++;
	} while (!sink_flush(sink));
	clearerr(f);
	while (fgets(buf, sizeof(buf), f) != NULL)
		sent++;
	ok(sent > 64 && sent < 200, "some lines were lost (%d came)", sent);
	log_write(l, LOG_LEVEL_INFO, "after");
	clearerr(f);
	if (fgets(buf, sizeof(buf), f) == NULL)
		buf[0] = '\0';
	snprintf(text, sizeof(text),
	    "error log: %d lines lost: it takes no more\n", 201 - sent);
	is_str(text_of(buf, "warning", "master"), text, "exactly that many");
	if (fgets(buf, sizeof(buf), f) == NULL)
		buf[0] = '\0';
	is_str(text_of(buf, "info", "master"), "after\n", "then it goes on");
	log_write(l, LOG_LEVEL_INFO, "later");
	clearerr(f);
	if (fgets(buf, sizeof(buf), f) == NULL)
		buf[0] = '\0';
	is_str(text_of(buf, "info", "master"), "later\n", "told once");
	fclose(f);
	log_free(l);
	sink_close(sink);
}

int
main(void)
{
	struct sink *sink = NULL;
	struct log *l = NULL;

	if (mkdtemp(dir) == NULL)
		return (1);
	snprintf(path, sizeof(path), "%s/log", dir);
	if (sink_path(&sink, path) != 0 ||
	    log_new(&l, sink, LOG_LEVEL_INFO, "master") != 0)
		return (1);
	ok(log_sink(l) == sink, "the sink is borrowed");
	test_line(l);
	test_cut(l);
	test_rate(l);
	log_free(l);
	sink_close(sink);
	test_lost();
	unlink(path);
	rmdir(dir);
	return (done_testing());
}
