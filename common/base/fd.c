/*
 * Small operations on descriptors that several parts of the program need:
 * flags, socket options, reading a whole file.
 */
#include "common/base/fd.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/clock.h"

#define KEEPALIVE_PROBES 6

#define INTERRUPTS_MAX	 8

void
fd_close(int *fd)
{
	int saved = errno;

	if (*fd == -1)
		return;
	/* Linux frees the descriptor even where close fails, also by EINTR;
	 * trying again could close somebody else's (close(2), NOTES). */
	(void)close(*fd);
	*fd = -1;
	errno = saved;
}

static int
compare_fds(const void *a, const void *b)
{
	int x = *(const int *)a, y = *(const int *)b;

	return ((x > y) - (x < y));
}

int
fd_close_others(int *keep, size_t n)
{
	unsigned fd, next = STDERR_FILENO + 1;
	int error = 0;
	size_t i;

	if (n > 1)
		qsort(keep, n, sizeof(*keep), compare_fds);
	for (i = 0; i < n; i++) {
		if (keep[i] < (int)next)
			continue;
		fd = (unsigned)keep[i];
		if (fd > next && close_range(next, fd - 1, 0) != 0)
			error = -errno;
		next = fd + 1;
	}
	if (close_range(next, ~0U, 0) != 0)
		error = -errno;
	return (error);
}

ssize_t
fd_recv(int fd, void *buf, size_t size)
{
	unsigned tries = 0;
	ssize_t n;

	do {
		n = recv(fd, buf, size, 0);
	} while (n == -1 && errno == EINTR && ++tries < INTERRUPTS_MAX);
	return (n == -1 ? -errno : n);
}

static ssize_t
send_flags(int fd, const void *buf, size_t len, int flags)
{
	unsigned tries = 0;
	ssize_t n;

	do {
		n = send(fd, buf, len, flags | MSG_NOSIGNAL);
	} while (n == -1 && errno == EINTR && ++tries < INTERRUPTS_MAX);
	if (n == 0 && len > 0)
		return (-EAGAIN);
	return (n == -1 ? -errno : n);
}

ssize_t
fd_send(int fd, const void *buf, size_t len)
{
	return (send_flags(fd, buf, len, 0));
}

ssize_t
fd_send_last(int fd, const void *buf, size_t len)
{
	return (send_flags(fd, buf, len, MSG_MORE));
}

bool
fd_only_appends(int fd)
{
	int flags = fcntl(fd, F_GETFL);
	struct stat st;

	if (flags == -1 || fstat(fd, &st) == -1)
		return (false);
	if (S_ISFIFO(st.st_mode))
		return ((flags & O_ACCMODE) == O_WRONLY);
	if (S_ISCHR(st.st_mode) || S_ISSOCK(st.st_mode))
		return (true);
	return ((flags & (O_ACCMODE | O_APPEND)) == (O_WRONLY | O_APPEND));
}

ssize_t
fd_read_full(int fd, void *buf, size_t size)
{
	size_t len = 0;
	ssize_t n;

	while (len < size) {
		n = read(fd, (char *)buf + len, size - len);
		if (n == 0)
			break;
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return (-errno);
		len += (size_t)n;
	}
	return ((ssize_t)len);
}

/* Gives back what may be the text of a key. */
static void
discard(char *buf, size_t len)
{
	if (buf != NULL)
		explicit_bzero(buf, len);
	free(buf);
}

/* As realloc(3), but that nothing is left behind. */
static char *
enlarge(char *buf, size_t used, size_t size)
{
	char *bigger = malloc(size);

	if (bigger == NULL)
		return (NULL);
	if (buf != NULL)
		memcpy(bigger, buf, used);
	discard(buf, used);
	return (bigger);
}

/*
 * st_size is only a hint: it is 0 for files in /proc, and a file may grow while
 * it is read. One byte more than the limit is asked for, so
 * that a file of exactly max bytes is told from a longer one.
 */
static int
slurp_fd(int fd, size_t max, char **data, size_t *len)
{
	size_t size = 4096, used = 0;
	struct stat st;
	char *buf = NULL, *bigger;
	ssize_t n;

	if (fstat(fd, &st) == -1)
		return (-errno);
	if (!S_ISREG(st.st_mode))
		return (S_ISDIR(st.st_mode) ? -EISDIR : -EMEDIUMTYPE);
	if (st.st_size > 0 && (uintmax_t)st.st_size > max)
		return (-EFBIG);
	if (st.st_size > 0)
		size = st.st_size + 2;
	for (;;) {
		bigger = enlarge(buf, used, size);
		n = -ENOMEM;
		if (bigger == NULL)
			break;
		buf = bigger;
		n = fd_read_full(fd, buf + used, size - used - 1);
		if (n < 0)
			break;
		used += n;
		n = -EFBIG;
		if (used > max)
			break;
		if (used < size - 1) {
			buf[used] = '\0';
			*data = buf;
			*len = used;
			return (0);
		}
		n = -ENOMEM;
		if (size > SIZE_MAX / 2)
			break;
		size *= 2;
	}
	discard(buf, used);
	return (n);
}

int
fd_slurp(const char *path, size_t max, char **data, size_t *len)
{
	int fd, r;

	/* A pipe has to be opened to be told from a file without a race. */
	fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	if (fd == -1)
		return (-errno);
	r = slurp_fd(fd, max, data, len);
	fd_close(&fd);
	return (r);
}

const char *
fd_slurp_text(int error)
{
	if (error == -EMEDIUMTYPE)
		return ("Not a regular file");
	return (strerrordesc_np(-error));
}

int
fd_tunnel_options(int fd, const char **step)
{
	static const struct linger reset = { .l_onoff = 1, .l_linger = 0 };
	static const int on = 1;
	static const struct {
		const char *step;
		int level, name;
		const void *value;
		socklen_t size;
	} options[] = {
		{ "TCP_NODELAY", IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on) },
		{ "SO_OOBINLINE", SOL_SOCKET, SO_OOBINLINE, &on, sizeof(on) },
		{ "SO_LINGER", SOL_SOCKET, SO_LINGER, &reset, sizeof(reset) },
	};
	size_t i;

	for (i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		if (step != NULL)
			*step = options[i].step;
		if (setsockopt(fd, options[i].level, options[i].name,
			options[i].value, options[i].size) == -1)
			return (-errno);
	}
	return (0);
}

int
fd_keepalive(int fd, int64_t silence)
{
	int seconds = (int)(silence / CLOCK_SEC);
	int idle = seconds >= 2 ? seconds / 2 : 1;
	int left = seconds > idle ? seconds - idle : 1;
	int interval = left > KEEPALIVE_PROBES ? left / KEEPALIVE_PROBES : 1;
	int count = left / interval, on = 1;

	/* In this order: the time since the last byte counts at once. */
	if (setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on)) == -1 ||
	    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle)) ==
		-1 ||
	    setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval,
		sizeof(interval)) == -1 ||
	    setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof(count)) ==
		-1)
		return (-errno);
	return (0);
}

int
fd_connection_error(int error)
{
	switch (error) {
	case EPIPE: /* a reset after the end of a stream, or told before */
	case ENOTCONN:
	case ECONNABORTED: /* ss -K */
		return (-ECONNRESET);
	case EPROTO: /* ICMP, until the kernel gave up */
	case EOVERFLOW:
		return (-EHOSTUNREACH);
	default:
		return (-error);
	}
}

void
fd_end_on_close(int fd)
{
	static const struct linger off = { .l_onoff = 0 };

	/* Where it fails, the socket is dead already. */
	(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &off, sizeof(off));
}

int
fd_spare(void)
{
	/* What a worker's sandbox permits. */
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd == -1)
		return (-errno);
	fd_close(&fd);
	return (0);
}
