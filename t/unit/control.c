/*
 * Control messages arrive as they were sent, with their descriptors; all else
 * is refused and leaks nothing.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/control.h"
#include "common/reason.h"
#include "t/unit/send_raw.h"
#include "t/unit/tap.h"

/* The lowest free number tells whether a descriptor was left open. */
static int
lowest_fd(void)
{
	int fd = dup(0);

	close(fd);
	return (fd);
}

static void
test_plain(void)
{
	struct control_msg out = { .type = CONTROL_DRAIN,
		.reason = REASON_DRAIN_DEADLINE,
		.deadline = CLOCK_NEVER,
		.listeners = UINT64_C(1) << 63 | 1 };
	struct control_msg in;
	int fd[2], fds[CONTROL_FDS_MAX];
	size_t nfds = 9;

	if (!ok(control_pair(fd) == 0, "a pair"))
		return;
	ok((fcntl(fd[0], F_GETFD) & FD_CLOEXEC) &&
		(fcntl(fd[1], F_GETFD) & FD_CLOEXEC),
	    "close-on-exec");
	ok((fcntl(fd[0], F_GETFL) & O_NONBLOCK) &&
		(fcntl(fd[1], F_GETFL) & O_NONBLOCK),
	    "non-blocking");
	is_int(control_recv(fd[1], &in, fds, &nfds), -EAGAIN, "nothing yet");
	is_int(control_send(fd[0], &out, NULL, 0), 0, "sent");
	is_int(control_recv(fd[1], &in, fds, &nfds), 1, "received");
	is_int(in.version, CONTROL_VERSION, "of this version");
	out.version = CONTROL_VERSION;
	out.size = sizeof(out);
	ok(memcmp(&in, &out, sizeof(in)) == 0 && nfds == 0, "as it was");
	out.type = CONTROL_READY;
	out.reason = 0;
	control_send(fd[1], &out, NULL, 0);
	is_int(control_recv(fd[0], &in, fds, &nfds), 1, "the other way");
	is_int(in.type, CONTROL_READY, "ready");
	close(fd[0]);
	is_int(control_recv(fd[1], &in, fds, &nfds), 0, "the master is gone");
	is_int(control_send(fd[1], &out, NULL, 0), -EPIPE, "without a signal");
	close(fd[1]);
}

/* The message is there, and its descriptor is not. */
static void
test_no_descriptors(void)
{
	struct control_msg in, out = { .type = CONTROL_HAND };
	int fd[2], fds[CONTROL_FDS_MAX], lowest, null = STDIN_FILENO;
	struct rlimit whole, none;
	size_t nfds;

	/* The limit would be valgrind's, which takes no notice. */
	if (getenv("SNIPORT_VALGRIND") != NULL || control_pair(fd) != 0)
		return;
	(void)getrlimit(RLIMIT_NOFILE, &whole);
	lowest = dup(STDIN_FILENO);
	close(lowest);
	none = whole;
	none.rlim_cur = (rlim_t)lowest;
	control_send(fd[0], &out, &null, 1);
	out.type = CONTROL_RELEASE;
	control_send(fd[0], &out, NULL, 0);
	(void)setrlimit(RLIMIT_NOFILE, &none);
	is_int(control_recv(fd[1], &in, fds, &nfds), -EMFILE,
	    "no room for a descriptor");
	is_int(in.type, CONTROL_HAND, "of this message");
	is_int(control_recv(fd[1], &in, fds, &nfds), 1, "one without comes");
	(void)setrlimit(RLIMIT_NOFILE, &whole);
	close(fd[0]);
	close(fd[1]);
}

static void
test_fds(void)
{
	struct control_msg out = { .type = CONTROL_HAND };
	int fd[2], pipe_fd[2], fds[CONTROL_FDS_MAX], many[3] = { 0, 0, 0 };
	struct stat a, b;
	struct control_msg in;
	size_t nfds = 0;

	if (control_pair(fd) != 0 || pipe2(pipe_fd, O_CLOEXEC) != 0)
		return;
	is_int(control_send(fd[0], &out, pipe_fd + 1, 1), 0, "a descriptor");
	is_int(control_recv(fd[1], &in, fds, &nfds), 1, "comes");
	is_int(nfds, 1, "it is one");
	ok(fstat(fds[0], &a) == 0 && fstat(pipe_fd[1], &b) == 0 &&
		a.st_ino == b.st_ino &&
		(fcntl(fds[0], F_GETFL) & O_ACCMODE) == O_WRONLY,
	    "that one");
	ok(fcntl(fds[0], F_GETFD) & FD_CLOEXEC, "close-on-exec");
	close(fds[0]);
	is_int(control_send(fd[0], &out, many, 2), -EINVAL, "two do not go");
	close(fd[0]);
	close(fd[1]);
	close(pipe_fd[0]);
	close(pipe_fd[1]);
}

/* One message that must be refused, and leave no descriptor behind. */
static void
refused(const void *data, size_t len, size_t nfds, const char *what)
{
	int fd[2], fds[CONTROL_FDS_MAX], before, r;
	struct control_msg in = { .type = 0 };
	size_t n = 0;

	if (control_pair(fd) != 0)
		return;
	before = lowest_fd();
	send_raw(fd[0], data, len, nfds);
	r = control_recv(fd[1], &in, fds, &n);
	ok(r == -EPROTO && n == 0, "%s: refused", what);
	is_int(lowest_fd(), before, "no descriptor leaks");
	close(fd[0]);
	close(fd[1]);
}

static void
test_refused(void)
{
	const struct control_msg ready = { .version = CONTROL_VERSION,
		.size = sizeof(ready),
		.type = CONTROL_READY };
	struct control_msg msg[2] = { ready, ready };

	refused(msg, sizeof(msg[0]) - 1, 0, "too short");
	refused(msg, sizeof(msg[0]) + 1, 0, "too long");
	refused(msg, 1, 2, "too short with descriptors");
	refused(msg, 0, 1, "empty with a descriptor");
	refused(msg, sizeof(msg[0]), 1, "a descriptor that does not belong");
	refused(msg, sizeof(msg[0]), 3, "too many descriptors");
	refused(msg, sizeof(msg[0]), 16, "far too many descriptors");
	msg[0].type = CONTROL_HAND;
	refused(msg, sizeof(msg[0]), 2, "one descriptor too many");
	msg[0].type = 0;
	refused(msg, sizeof(msg[0]), 0, "type 0");
	msg[0].type = CONTROL_UPGRADE + 1;
	refused(msg, sizeof(msg[0]), 0, "unknown type");
	msg[0].type = CONTROL_HAND;
	refused(msg, sizeof(msg[0]), 0, "hand without descriptor");
	msg[0].type = CONTROL_CONNECTION;
	refused(msg, sizeof(msg[0]), 0, "connection without descriptor");
	msg[0].type = CONTROL_RELOAD;
	refused(msg, sizeof(msg[0]), 0, "reload without a token");
	msg[0].type = CONTROL_UPGRADE;
	refused(msg, sizeof(msg[0]), 0, "upgrade without a token");
	msg[0].type = CONTROL_CLOSE;
	refused(msg, sizeof(msg[0]), 0, "close without a number");
	msg[0].count = CONTROL_NUMBERS_MAX + 1;
	refused(msg, sizeof(msg[0]), 0, "close with too many");
	msg[0].type = CONTROL_END;
	msg[0].reason = REASON_COUNT;
	refused(msg, sizeof(msg[0]), 0, "unknown reason");
	msg[0] = ready;
	msg[0].version++;
	refused(msg, sizeof(msg[0]), 0, "another version");
	msg[0] = ready;
	msg[0].size -= 8;
	refused(msg, sizeof(msg[0]), 0, "another size");
}

static void
test_gone(void)
{
	struct control_msg msg = { .type = CONTROL_READY }, in;
	int fd[2], fds[CONTROL_FDS_MAX];
	size_t n;
	int r;

	if (control_pair(fd) != 0)
		return;
	control_send(fd[1], &msg, NULL, 0);
	close(fd[0]); /* with a message unread: this resets */
	is_int(control_recv(fd[1], &in, fds, &n), 0, "gone by a reset");
	close(fd[1]);

	if (control_pair(fd) != 0)
		return;
	control_send(fd[0], &msg, NULL, 0);
	close(fd[0]);
	is_int(control_recv(fd[1], &in, fds, &n), 1, "a last word is heard");
	is_int(control_recv(fd[1], &in, fds, &n), 0, "then it is gone");
	close(fd[1]);

	if (control_pair(fd) != 0)
		return;
	do {
		r = control_send(fd[0], &msg, NULL, 0);
	} while (r == 0);
	is_int(r, -EAGAIN, "a worker that does not read blocks nobody");
	close(fd[0]);
	close(fd[1]);
	is_int(control_recv(-1, &in, fds, &n), -EBADF, "no socket");
}

int
main(void)
{
	test_plain();
	test_fds();
	test_no_descriptors();
	test_refused();
	test_gone();
	return (done_testing());
}
