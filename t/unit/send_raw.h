/* What a hostile worker could send: any bytes with any descriptors. */
#ifndef T_UNIT_SEND_RAW_H
#define T_UNIT_SEND_RAW_H

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#define SEND_RAW_FDS 16

/* The socket itself is the descriptor that it sends, `nfds` times. */
static inline void
send_raw(int fd, const void *data, size_t len, size_t nfds)
{
	struct iovec iov = { .iov_base = (void *)(uintptr_t)data,
		.iov_len = len };
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1 };
	_Alignas(
	    struct cmsghdr) char space[CMSG_SPACE(sizeof(int) * SEND_RAW_FDS)];
	struct cmsghdr *cmsg;
	int fds[SEND_RAW_FDS];
	size_t i;

	assert(nfds <= SEND_RAW_FDS);
	memset(space, 0, sizeof(space));
	for (i = 0; i < SEND_RAW_FDS; i++)
		fds[i] = fd;
	if (nfds > 0) {
		mh.msg_control = space;
		mh.msg_controllen = CMSG_SPACE(sizeof(int) * nfds);
		cmsg = CMSG_FIRSTHDR(&mh);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(sizeof(int) * nfds);
		memcpy(CMSG_DATA(cmsg), fds, sizeof(int) * nfds);
	}
	if (sendmsg(fd, &mh, MSG_NOSIGNAL) != (ssize_t)len)
		abort();
}

#endif
