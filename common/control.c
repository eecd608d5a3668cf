/*
 * Sends and receives the messages of the master and its children; what is not
 * exactly such a message is refused.
 */
#include "common/control.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "common/reason.h"

/* A cmsghdr asks for its own alignment. */
union control_space {
	struct cmsghdr align;
	char bytes[CMSG_SPACE(sizeof(int) * CONTROL_FDS_MAX)];
};

int
control_pair(int fd[2])
{
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC,
		0, fd) < 0)
		return (-errno);
	return (0);
}

int
control_send(int fd, const struct control_msg *msg, const int *fds, size_t nfds)
{
	struct control_msg copy = *msg;
	struct iovec iov = { .iov_base = &copy, .iov_len = sizeof(copy) };
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1 };
	union control_space space;
	struct cmsghdr *cmsg;
	ssize_t n;

	copy.version = CONTROL_VERSION;
	copy.size = sizeof(copy);
	if (nfds > CONTROL_FDS_MAX)
		return (-EINVAL);
	if (nfds > 0) {
		memset(&space, 0, sizeof(space));
		mh.msg_control = space.bytes;
		mh.msg_controllen = CMSG_SPACE(sizeof(int) * nfds);
		cmsg = CMSG_FIRSTHDR(&mh);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(sizeof(int) * nfds);
		memcpy(CMSG_DATA(cmsg), fds, sizeof(int) * nfds);
	}
	/* Without descriptors by send(2): a worker may not use the other. */
	do {
		n = nfds > 0 ? sendmsg(fd, &mh, MSG_DONTWAIT | MSG_NOSIGNAL)
			     : send(fd, &copy, sizeof(copy),
				   MSG_DONTWAIT | MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);
	return (n < 0 ? -errno : 0);
}

/*
 * Takes what descriptors came, so that none leaks whatever else is wrong
 * with the message. Those beyond CONTROL_FDS_MAX are closed; returns how
 * many came in all.
 */
static size_t
take_fds(struct msghdr *mh, int fds[CONTROL_FDS_MAX])
{
	struct cmsghdr *cmsg;
	size_t i, n, total = 0;
	int fd;

	for (cmsg = CMSG_FIRSTHDR(mh); cmsg != NULL;
	     cmsg = CMSG_NXTHDR(mh, cmsg)) {
		if (cmsg->cmsg_level != SOL_SOCKET ||
		    cmsg->cmsg_type != SCM_RIGHTS)
			continue;
		n = (cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (i = 0; i < n; i++) {
			memcpy(
			    &fd, CMSG_DATA(cmsg) + i * sizeof(int), sizeof(fd));
			if (total < CONTROL_FDS_MAX)
				fds[total] = fd;
			else
				fd_close(&fd);
			total++;
		}
	}
	return (total);
}

/* Does the message make sense with that many descriptors? */
static bool
is_valid(const struct control_msg *msg, size_t nfds)
{
	if (msg->version != CONTROL_VERSION || msg->size != sizeof(*msg))
		return (false);
	switch (msg->type) {
	case CONTROL_HAND:
	case CONTROL_CONNECTION:
	case CONTROL_WORKER:
		return (msg->reason < REASON_COUNT && nfds == 1);
	case CONTROL_READY:
	case CONTROL_PING:
	case CONTROL_PONG:
	case CONTROL_EMPTIED:
	case CONTROL_RELEASE:
	case CONTROL_DRAIN:
	case CONTROL_END:
	case CONTROL_GONE:
		return (msg->reason < REASON_COUNT && nfds == 0);
	case CONTROL_RELOAD:
	case CONTROL_UPGRADE:
		return (
		    msg->reason < REASON_COUNT && nfds == 0 && msg->token != 0);
	case CONTROL_CLOSE:
		return (msg->reason < REASON_COUNT && nfds == 0 &&
			msg->count > 0 && msg->count <= CONTROL_NUMBERS_MAX);
	default:
		return (false);
	}
}

int
control_recv(
    int fd, struct control_msg *msg, int fds[CONTROL_FDS_MAX], size_t *nfds)
{
	struct iovec iov = { .iov_base = msg, .iov_len = sizeof(*msg) };
	union control_space space;
	struct msghdr mh = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = space.bytes,
		.msg_controllen = sizeof(space.bytes),
	};
	size_t i, came;
	ssize_t n;
	int r = 0;

	do {
		n = recvmsg(fd, &mh, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	} while (n < 0 && errno == EINTR);
	/* A peer that closes with messages unread resets (unix(7)). */
	if (n < 0)
		return (errno == ECONNRESET ? 0 : -errno);
	came = take_fds(&mh, fds);
	if (n == (ssize_t)sizeof(*msg) &&
	    (mh.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) == 0 &&
	    is_valid(msg, came)) {
		*nfds = came;
		return (1);
	}
	/* Where no descriptor is free the kernel closes those that come. */
	if (n == (ssize_t)sizeof(*msg) && came == 0 &&
	    (mh.msg_flags & MSG_CTRUNC) != 0 && is_valid(msg, 1))
		return (-EMFILE);
	/* Nothing at all is the end of the stream. */
	if (n > 0 || came > 0 || (mh.msg_flags & MSG_CTRUNC) != 0)
		r = -EPROTO;
	for (i = 0; i < came && i < CONTROL_FDS_MAX; i++)
		fd_close(&fds[i]);
	return (r);
}
