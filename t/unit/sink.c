/*
 * Sinks: full pipes, slow and vanished readers, files, syslog, and order and
 * number of the lines.
 */
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/log/sink.h"
#include "t/unit/scratch.h"
#include "t/unit/sink_path.h"
#include "t/unit/tap.h"

#define LINE_INFO 6

/* Writes line number i, padded to len bytes. */
static int
write_line(struct sink *s, unsigned i, size_t len)
{
	char line[SINK_LINE_MAX];
	int n = snprintf(line, sizeof(line), "line %06u", i);

	memset(line + n, '.', len - (size_t)n);
	line[len - 1] = '\n';
	return (sink_write(s, LINE_INFO, line, len));
}

/* Whole lines of that length in order from *next on? Moves *next. */
static bool
in_order(const char *data, size_t size, size_t len, unsigned *next)
{
	unsigned i;

	for (; size >= len; data += len, size -= len) {
		if (sscanf(data, "line %06u.", &i) != 1 || i != *next ||
		    data[len - 1] != '\n' ||
		    memchr(data, '\n', len) != data + len - 1)
			return (false);
		(*next)++;
	}
	return (size == 0);
}

static size_t
read_all(int fd, char *buf, size_t size)
{
	size_t len = 0;
	ssize_t n;

	while (len < size && (n = read(fd, buf + len, size - len)) > 0)
		len += (size_t)n;
	return (len);
}

/* Opens the sink while stderr is another descriptor. */
static int
open_stderr(struct sink **s, int fd)
{
	int saved = dup(STDERR_FILENO), r;

	dup2(fd, STDERR_FILENO);
	r = sink_open(s, "stderr");
	dup2(saved, STDERR_FILENO);
	close(saved);
	return (r);
}

/* What blocks whatever its flags say is told from what does not. */
static void
test_may_block(void)
{
	struct sink *s = NULL;
	int fd[2], file;

	is_int(sink_open(&s, "/tmp/log"), -EINVAL, "a path is not for it");
	file = open(scratch_path("log"), O_RDWR | O_CREAT, 0600);
	if (pipe2(fd, O_CLOEXEC) != 0 || file < 0 || open_stderr(&s, file) != 0)
		return;
	ok(sink_may_block(s), "a file's disk may hang");
	ok(fcntl(sink_fd(s), F_GETFL) & O_APPEND, "it is appended to");
	sink_close(s);
	is_int(open_stderr(&s, fd[1]), 0, "a pipe");
	ok(!sink_may_block(s), "never blocks");
	sink_close(s);
	close(fd[0]);
	close(fd[1]);
	is_int(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0, "a socket");
	is_int(open_stderr(&s, fd[1]), 0, "opens");
	ok(!sink_may_block(s), "neither does that");
	sink_close(s);
	close(fd[0]);
	close(fd[1]);
	close(file);
	file = open("/dev/null", O_WRONLY);
	is_int(open_stderr(&s, file), 0, "/dev/null");
	ok(!sink_may_block(s), "takes everything");
	sink_close(s);
	close(file);
	file = open("/dev/full", O_WRONLY);
	is_int(open_stderr(&s, file), 0, "another device");
	ok(sink_may_block(s), "may do what it wants");
	sink_close(s);
	close(file);
}

/* What would be lost if the process died is told at any time. */
static void
test_publish(void)
{
	_Atomic uint64_t owed = 99;
	struct sink *s = NULL;
	unsigned n = 0;
	int fd[2];

	if (pipe2(fd, O_CLOEXEC | O_NONBLOCK) != 0 ||
	    open_stderr(&s, fd[1]) != 0)
		return;
	sink_publish(s, &owed);
	is_int((int64_t)owed, 0, "nothing waits");
	write_line(s, n++, 1000);
	is_int((int64_t)owed, 0, "nor does a line that was written");
	while (sink_flush(s) && n < 1000)
		write_line(s, n++, 4000);
	is_int((int64_t)owed, 1, "a line that waits");
	write_line(s, n++, 100);
	is_int((int64_t)owed, 2, "two");
	ok(sink_waiting(s) > 4100, "their bytes");
	while (write_line(s, n, 4000) == 0)
		n++;
	n = (unsigned)owed;
	write_line(s, 0, 4000);
	is_int((int64_t)owed, n + 1, "and those that were dropped");
	is_int((int64_t)sink_take_dropped(s), 2, "until they are told");
	is_str(sink_trouble(s), "its reader has stalled", "with the cause");
	is_int((int64_t)owed, n - 1, "which are no more owed");
	close(fd[0]);
	sink_flush(s);
	is_int((int64_t)owed, n - 1, "the reader left with those that waited");
	is_int((int64_t)sink_take_dropped(s), n - 1, "they are counted");
	is_str(sink_trouble(s), "its reader is gone", "with another cause");
	is_int((int64_t)owed, 0, "and told");
	is_int((int64_t)sink_waiting(s), 0, "nothing waits");
	sink_close(s);
	close(fd[1]);
}

static void
test_full(void)
{
	struct sink *s = NULL;

	if (sink_path(&s, "/dev/full") != 0) {
		ok(true, "# SKIP no /dev/full");
		return;
	}
	is_int(sink_write(s, LINE_INFO, "x\n", 2), -ENOSPC, "disk full");
	is_int(sink_write(s, LINE_INFO, "x\n", 2), -ENOSPC, "still full");
	ok(sink_flush(s), "a line that failed does not wait");
	is_int((int64_t)sink_take_dropped(s), 2, "both are counted");
	is_str(sink_trouble(s), "No space left on device", "with the cause");
	is_int((int64_t)sink_take_dropped(s), 0, "once");
	sink_close(s);
}

/* Reads until size bytes have come, while the sink writes what waits. */
static size_t
drain(struct sink *s, int reader, char *buf, size_t size)
{
	struct pollfd p = { .fd = reader, .events = POLLIN };
	size_t len = 0;

	while (len < size) {
		if (sink_flush(s) && poll(&p, 1, 10000) != 1)
			break;
		len += read_all(reader, buf + len, size - len);
	}
	return (len);
}

/*
 * Writes until lines are dropped, then reads; returns how many were
 * accepted, or -1 if not exactly those came, in order and whole.
 */
static int
stall(struct sink *s, int reader, size_t len)
{
	static char buf[1 << 24];
	unsigned i, next = 0, accepted = 0, dropped = 0;
	int r;

	for (i = 0; dropped < 3 && i < sizeof(buf) / len; i++) {
		r = write_line(s, i, len);
		if (r == 0 && dropped == 0)
			accepted++;
		else if (r == -EAGAIN)
			dropped++;
		else
			return (-1);
	}
	if (dropped != 3 || sink_flush(s) ||
	    drain(s, reader, buf, accepted * len) != accepted * len ||
	    !in_order(buf, accepted * len, len, &next) || next != accepted)
		return (-1);
	return ((int)accepted);
}

static void
test_pipe(void)
{
	struct sink *s = NULL;
	int fd[2], n;

	if (pipe2(fd, O_CLOEXEC) != 0 || open_stderr(&s, fd[1]) != 0) {
		ok(false, "a pipe as stderr opens");
		return;
	}
	fcntl(fd[0], F_SETFL, O_NONBLOCK);
	ok((fcntl(fd[1], F_GETFL) & O_NONBLOCK) == 0,
	    "the inherited description stays blocking");
	ok(fcntl(sink_fd(s), F_GETFL) & O_NONBLOCK, "our own does not block");
	n = stall(s, fd[0], SINK_LINE_MAX);
	ok(n > 0, "all accepted lines come whole and in order");
	ok(n * SINK_LINE_MAX > SINK_QUEUE_BYTES &&
		n * SINK_LINE_MAX < SINK_QUEUE_BYTES + (1 << 17),
	    "pipe and queue were filled (%d lines)", n);
	is_int((int64_t)sink_take_dropped(s), 3, "the newest were dropped");
	is_int(write_line(s, 0, 100), 0, "then it goes on");
	close(fd[0]);
	is_int(write_line(s, 0, 100), -EPIPE, "the reader is gone");
	is_int((int64_t)sink_take_dropped(s), 1, "which counts");
	sink_close(s);
	close(fd[1]);
}

/* A short line that would still go in does not overtake what waits. */
static void
test_order(void)
{
	static char buf[1 << 19];
	struct sink *s = NULL;
	unsigned n = 0;
	size_t len, want;
	int fd[2];

	if (pipe2(fd, O_CLOEXEC | O_NONBLOCK) != 0 ||
	    open_stderr(&s, fd[1]) != 0)
		return;
	while (sink_flush(s) && n < 1000)
		write_line(s, n++, 3000);
	is_int(write_line(s, n, 100), 0, "a short line waits");
	want = (size_t)n * 3000 + 100;
	len = drain(s, fd[0], buf, want);
	n = 0;
	ok(len == want && in_order(buf, want - 100, 3000, &n) &&
		in_order(buf + want - 100, 100, 100, &n),
	    "and comes last");
	sink_close(s);
	close(fd[0]);
	close(fd[1]);
}

/* Memory in use; glibc's own figures, which a sanitizer leaves at 0. */
static size_t
in_use(void)
{
	struct mallinfo2 info = mallinfo2();

	return (info.uordblks + info.hblkhd);
}

/*
 * A reader that is always behind: the queue is never empty, so lines go all
 * around it. It takes no memory for them.
 */
static void
test_slow_reader(void)
{
	static char buf[1 << 23];
	struct sink *s = NULL;
	unsigned n = 0, next = 0, rounds, empty = 0;
	size_t len = 0, before;
	int fd[2];

	if (pipe2(fd, O_CLOEXEC | O_NONBLOCK) != 0 ||
	    open_stderr(&s, fd[1]) != 0) {
		ok(false, "a pipe as stderr opens");
		return;
	}
	before = in_use();
	for (rounds = 0; rounds < 1000; rounds++) {
		while (write_line(s, n, 777) == 0)
			n++;
		len += (size_t)read(fd[0], buf + len, 1 + rounds * 7 % 9999);
		empty += sink_flush(s);
	}
	is_int(
	    (int64_t)in_use(), (int64_t)before, "lines wait in no new memory");
	is_int(empty, 0, "there was always one that waits");
	ok(n * 777 > 8 * SINK_QUEUE_BYTES, "%u went through", n);
	len += drain(s, fd[0], buf + len, (size_t)n * 777 - len);
	ok(in_order(buf, len, 777, &next) && next == n,
	    "all come whole and in order");
	sink_close(s);
	close(fd[0]);
	close(fd[1]);
}

/* What waited when the reader left is counted too. */
static void
test_pipe_gone(void)
{
	struct sink *s = NULL;
	unsigned n = 0;
	int fd[2];

	if (pipe2(fd, O_CLOEXEC) != 0 || open_stderr(&s, fd[1]) != 0) {
		ok(false, "a pipe as stderr opens");
		return;
	}
	while (sink_flush(s) && n < 1000)
		write_line(s, n++, SINK_LINE_MAX);
	write_line(s, n, SINK_LINE_MAX);
	close(fd[0]);
	is_int(write_line(s, n, 100), -EPIPE, "the reader is gone");
	is_int((int64_t)sink_take_dropped(s), 3, "queued lines are counted");
	sink_close(s);
	close(fd[1]);
}

/* A TCP pair, which takes lines by halves when it is full. */
static int
tcp_pair(int fd[2])
{
	struct sockaddr_in sin = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(sin);
	int size = 1, s; /* the kernel's least */

	s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	fd[1] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(fd[1], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	setsockopt(s, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	if (bind(s, (struct sockaddr *)&sin, len) != 0 || listen(s, 1) != 0 ||
	    getsockname(s, (struct sockaddr *)&sin, &len) != 0 ||
	    connect(fd[1], (struct sockaddr *)&sin, len) != 0)
		return (-1);
	fd[0] = accept4(s, NULL, NULL, SOCK_CLOEXEC);
	close(s);
	return (fd[0] < 0 ? -1 : 0);
}

/* journald gives a stream socket. */
static void
test_socket(bool tcp)
{
	struct sink *s = NULL;
	int fd[2];

	if ((tcp ? tcp_pair(fd) : socketpair(AF_UNIX, SOCK_STREAM, 0, fd)) !=
		0 ||
	    open_stderr(&s, fd[1]) != 0) {
		ok(false, "a socket as stderr opens");
		return;
	}
	fcntl(fd[0], F_SETFL, O_NONBLOCK);
	ok((fcntl(fd[1], F_GETFL) & O_NONBLOCK) == 0,
	    "the shared socket stays blocking");
	ok(stall(s, fd[0], 3700) > 0, "no line is lost or mangled");
	ok(stall(s, fd[0], 1000) > 0 && stall(s, fd[0], 1600) > 0 &&
		stall(s, fd[0], 2200) > 0,
	    "nor are shorter ones");
	sink_take_dropped(s);
	close(fd[0]);
	/* SIGPIPE has its default action here: it would end the test. */
	signal(SIGPIPE, SIG_DFL);
	if (!tcp)
		is_int(write_line(s, 0, 100), -EPIPE, "broken, no signal");
	signal(SIGPIPE, SIG_IGN);
	sink_close(s);
	close(fd[1]);
}

static int
syslog_bind(void)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s/dev-log", scratch_dir);
	unlink(sun.sun_path);
	if (bind(fd, (struct sockaddr *)&sun, sizeof(sun)) != 0)
		return (-1);
	return (fd);
}

/* Receives one datagram; the text after the header, or NULL. */
static const char *
syslog_recv(int fd, char buf[8192])
{
	ssize_t n = recv(fd, buf, 8191, 0);
	int pri, day, h, m, s, pid, at = 0;
	char month[4];

	if (n < 0)
		return (NULL);
	buf[n] = '\0';
	if (sscanf(buf, "<%d>%3s %2d %2d:%2d:%2d sniport[%d]: %n", &pri, month,
		&day, &h, &m, &s, &pid, &at) != 7 ||
	    at == 0 || pri != 3 * 8 + LINE_INFO || pid != (int)getpid())
		return ("(bad header)");
	return (buf + at);
}

static void
test_syslog(void)
{
	char target[80], buf[8192];
	unsigned i, n = 0, next = 0;
	struct sink *s = NULL;
	const char *text;
	int fd;

	snprintf(target, sizeof(target), "syslog:%s", scratch_path("dev-log"));
	is_int(sink_open(&s, target), -ENOENT, "no daemon");
	fd = syslog_bind();
	if (!ok(sink_open(&s, target) == 0, "opens"))
		return;
	sink_write(s, LINE_INFO, "hello\n", 6);
	is_str(syslog_recv(fd, buf), "hello", "framed, without the newline");
	write_line(s, 0, SINK_LINE_MAX);
	text = syslog_recv(fd, buf);
	ok(text != NULL && strlen(text) == SINK_LINE_MAX - 1, "longest line");

	close(fd);
	for (i = 0; i < 3; i++)
		is_int(write_line(s, i, 20), 0, "waits for the next daemon");
	fd = syslog_bind();
	ok(sink_flush(s), "reconnects");
	for (i = 0; i < 3; i++) {
		text = syslog_recv(fd, buf);
		ok(text != NULL && sscanf(text, "line %u", &next) == 1 &&
			next == i,
		    "line %u came", i);
	}

	while (sink_flush(s) && n < 10000)
		write_line(s, n++, 20);
	for (i = 0; i < n; i++) {
		text = syslog_recv(fd, buf);
		if (text == NULL || sscanf(text, "line %u", &next) != 1 ||
		    next != i)
			break;
		sink_flush(s);
	}
	ok(i == n && n < 10000, "a daemon that stalls gets all %u in order", n);
	is_int((int64_t)sink_take_dropped(s), 0, "nothing was dropped");
	sink_close(s);
	close(fd);
}

/* What waits at a fork is written once, by the parent. */
static void
test_fork(void)
{
	static char buf[1 << 19];
	struct sink *s = NULL;
	unsigned n = 0, next = 0;
	int fd[2], status;
	size_t len;
	pid_t pid;

	if (pipe2(fd, O_CLOEXEC | O_NONBLOCK) != 0 ||
	    open_stderr(&s, fd[1]) != 0)
		return;
	while (sink_flush(s) && n < 1000)
		write_line(s, n++, SINK_LINE_MAX);
	while (write_line(s, n, SINK_LINE_MAX) == 0)
		n++;
	pid = fork();
	if (pid == 0)
		_exit(sink_flush(s) && sink_take_dropped(s) == 0 ? 0 : 1);
	waitpid(pid, &status, 0);
	is_int(status, 0, "a child inherits neither lines nor drops");
	len = drain(s, fd[0], buf, (size_t)n * SINK_LINE_MAX);
	ok(in_order(buf, len, SINK_LINE_MAX, &next) && next == n,
	    "every line once");
	is_int(
	    (int64_t)sink_take_dropped(s), 1, "the parent's drop is its own");
	sink_close(s);
	close(fd[0]);
	close(fd[1]);
}

/* A stream that another user opened for us cannot be opened anew. */
static void
test_foreign(void)
{
	int fd[2], status;
	struct sink *s;
	char buf[8];
	pid_t pid;

	if (geteuid() != 0 || pipe2(fd, O_CLOEXEC) != 0) {
		ok(true, "# SKIP needs root");
		return;
	}
	pid = fork();
	if (pid == 0) {
		if (setgid(65534) != 0 || setuid(65534) != 0)
			_exit(1);
		if (open_stderr(&s, fd[1]) != 0)
			_exit(2);
		if ((fcntl(sink_fd(s), F_GETFL) & O_NONBLOCK) ||
		    !sink_may_block(s))
			_exit(3);
		_exit(sink_write(s, LINE_INFO, "x\n", 2) == 0 ? 0 : 4);
	}
	waitpid(pid, &status, 0);
	is_int(WEXITSTATUS(status), 0, "it is shared as it is, and may block");
	is_int(read(fd[0], buf, sizeof(buf)), 2, "and written to");
	close(fd[0]);
	close(fd[1]);
}

/* The same error means one thing of a write and another of opening. */
static void
test_describe(void)
{
	is_str(sink_describe(-EAGAIN), "its reader has stalled",
	    "a write that would block waits for a reader");
	is_str(sink_describe_open(-EAGAIN),
	    "the process that writes it cannot be forked: Resource temporarily "
	    "unavailable",
	    "a fork that fails is not a reader that has stalled");
	is_str(sink_describe_open(-ETIMEDOUT), "its disk does not answer",
	    "a disk that does not answer is told");
	is_str(sink_describe_open(-EPIPE), "its reader is gone",
	    "and a reader that is gone");
}

int
main(void)
{
	signal(SIGPIPE, SIG_IGN);
	scratch_open();
	test_may_block();
	test_publish();
	test_full();
	test_pipe();
	test_order();
	test_slow_reader();
	test_pipe_gone();
	test_socket(false);
	test_socket(true);
	test_syslog();
	test_fork();
	test_foreign();
	test_describe();
	scratch_close();
	return (done_testing());
}
