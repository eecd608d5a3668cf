/* What errors of connections mean, and how the last bytes are sent. */
#include "common/base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "t/unit/tap.h"

/* The kernel keeps what is to go with a FIN for 200 ms at least; this process
 * may stand still for longer. */
#define TRIES 50

/* Two ends of a connection. */
static bool
connected(int ends[2])
{
	struct sockaddr_in sin = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(sin);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	ends[0] = socket(AF_INET, SOCK_STREAM, 0);
	ends[1] = -1;
	if (bind(fd, (struct sockaddr *)&sin, len) == 0 && listen(fd, 1) == 0 &&
	    getsockname(fd, (struct sockaddr *)&sin, &len) == 0 &&
	    connect(ends[0], (struct sockaddr *)&sin, len) == 0)
		ends[1] = accept(fd, NULL, NULL);
	fd_close(&fd);
	return (ends[1] != -1);
}

/* How many segments have come. */
static unsigned
segments(int fd)
{
	struct tcp_info info = { 0 };
	socklen_t len = sizeof(info);

	(void)getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len);
	return (info.tcpi_segs_in);
}

/* Sends bytes and ends the stream; in how many segments did they come? 0: not
 * as they should. */
static unsigned
end_of_stream(int ends[2], ssize_t (*send)(int, const void *, size_t))
{
	struct pollfd p = { .fd = ends[1], .events = POLLRDHUP };
	unsigned before = segments(ends[1]);
	char bytes[8];

	if (send(ends[0], "bye", 3) != 3 || shutdown(ends[0], SHUT_WR) != 0 ||
	    poll(&p, 1, 60000) != 1 ||
	    fd_recv(ends[1], bytes, sizeof(bytes)) != 3 ||
	    fd_recv(ends[1], bytes, sizeof(bytes)) != 0)
		return (0);
	return (segments(ends[1]) - before);
}

static void
test_last(void)
{
	int ends[2], i;
	unsigned n = 2;

	for (i = 0; i < TRIES && n == 2; i++) {
		n = connected(ends) ? end_of_stream(ends, fd_send_last) : 0;
		fd_close(&ends[0]);
		fd_close(&ends[1]);
	}
	is_int(n, 1, "the last bytes and the FIN go together");
	is_int(connected(ends) ? end_of_stream(ends, fd_send) : 0, 2,
	    "others go at once");
	fd_close(&ends[0]);
	fd_close(&ends[1]);
}

/* In a child: which of seven are open after that, a bit for each. */
static unsigned
left(const int *fds, int *keep, size_t n)
{
	int status = 0;
	pid_t pid = fork();
	unsigned i, open = 0;

	if (pid == 0) {
		if (fd_close_others(keep, n) != 0)
			_exit(255);
		for (i = 0; i < 7; i++)
			open |= (fcntl(fds[i], F_GETFD) != -1) << i;
		_exit((int)open);
	}
	(void)waitpid(pid, &status, 0);
	return (WIFEXITED(status) ? (unsigned)WEXITSTATUS(status) : 255);
}

static void
test_close_others(void)
{
	int fds[7], i;

	for (i = 0; i < 7; i++)
		fds[i] = fcntl(STDERR_FILENO, F_DUPFD, 100 + 3 * i);
	is_int(
	    left(fds, (int[]){ fds[4], -1, fds[1], STDOUT_FILENO, fds[4] }, 5),
	    1U << 4 | 1U << 1, "those that are named stay, in any order");
	is_int(left(fds, NULL, 0), 0, "or none does");
	is_int(left(fds, (int[]){ -1, -1 }, 2), 0, "where there is none");
	for (i = 0; i < 7; i++)
		fd_close(&fds[i]);
}

int
main(void)
{
	test_last();
	test_close_others();
	is_int(fd_connection_error(ECONNRESET), -ECONNRESET, "a reset");
	is_int(fd_connection_error(EPIPE), -ECONNRESET,
	    "a reset after the end of a stream");
	is_int(fd_connection_error(ENOTCONN), -ECONNRESET,
	    "a reset that was told before");
	is_int(fd_connection_error(ECONNABORTED), -ECONNRESET,
	    "a connection that was destroyed");
	is_int(fd_connection_error(ETIMEDOUT), -ETIMEDOUT, "no answer");
	is_int(fd_connection_error(EHOSTUNREACH), -EHOSTUNREACH, "no way");
	is_int(fd_connection_error(EPROTO), -EHOSTUNREACH,
	    "ICMP's parameter problem is no fault of TLS");
	is_int(fd_connection_error(ENOBUFS), -ENOBUFS, "no memory");
	is_int(fd_connection_error(EAGAIN), -EAGAIN, "nothing now");
	return (done_testing());
}
