/*
 * Messages of a hostile worker, any bytes with any number of descriptors:
 * what is accepted is sound, and no descriptor is left open.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/control.h"
#include "common/reason.h"
#include "t/unit/send_raw.h"

#define FDS 5

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int
lowest_fd(void)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		abort();
	close(fd);
	return (fd);
}

/* What was accepted must come back as the same bytes. */
static void
check(const struct control_msg *msg, const uint8_t *data, size_t len,
    const int *fds, size_t nfds, size_t sent)
{
	int fd[2], got[CONTROL_FDS_MAX];
	struct control_msg again;
	size_t i, n;

	if (len != sizeof(*msg) || memcmp(msg, data, len) != 0 ||
	    nfds != sent || nfds > CONTROL_FDS_MAX ||
	    msg->reason >= REASON_COUNT || control_pair(fd) != 0)
		abort();
	if (control_send(fd[0], msg, fds, nfds) != 0 ||
	    control_recv(fd[1], &again, got, &n) != 1 || n != nfds ||
	    memcmp(msg, &again, sizeof(again)) != 0)
		abort();
	for (i = 0; i < n; i++)
		if (!(fcntl(got[i], F_GETFD) & FD_CLOEXEC) || close(got[i]))
			abort();
	close(fd[0]);
	close(fd[1]);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fd[2], fds[CONTROL_FDS_MAX], before, r;
	struct control_msg msg;
	size_t i, nfds = 0, sent;

	if (size < 1 || size > 4096)
		return (0);
	sent = data[0] % (FDS + 1);
	data++;
	size--;
	if (control_pair(fd) != 0)
		abort();
	before = lowest_fd();
	send_raw(fd[0], data, size, sent);
	r = control_recv(fd[1], &msg, fds, &nfds);
	if (r == 1) {
		check(&msg, data, size, fds, nfds, sent);
		for (i = 0; i < nfds; i++)
			if (close(fds[i]) != 0)
				abort();
	} else if (r != -EPROTO && !(r == 0 && size == 0 && sent == 0)) {
		abort();
	}
	if (lowest_fd() != before)
		abort();
	close(fd[0]);
	close(fd[1]);
	return (0);
}
