/*
 * The sockets that c-ares gets. On one of its own, 1.18 would call F_SETFL to
 * make it non-blocking, which the sandbox forbids: on a description that is
 * shared with other processes it changes what they do as well.
 */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "common/fd.h"
#include "worker/dns_channel_servers.h"

/* On sockets of its own it sets TCP_NODELAY, too; on ours nothing at all. */
static ares_socket_t
open_cb(int family, int type, int protocol, void *arg)
{
	static const int on = 1;
	int fd = socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);

	if (fd != -1 && type == SOCK_STREAM &&
	    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) == -1)
		fd_close(&fd);
	return (fd);
}

static int
close_cb(ares_socket_t fd, void *arg)
{
	return (close(fd));
}

static int
connect_cb(
    ares_socket_t fd, const struct sockaddr *to, ares_socklen_t len, void *arg)
{
	return (connect(fd, to, len));
}

static ares_ssize_t
receive_cb(ares_socket_t fd, void *bytes, size_t size, int flags,
    struct sockaddr *from, ares_socklen_t *len, void *arg)
{
	return (recvfrom(fd, bytes, size, flags, from, len));
}

static ares_ssize_t
send_cb(ares_socket_t fd, const struct iovec *parts, int n, void *arg)
{
	return (writev(fd, parts, n));
}

const struct ares_socket_functions dns_socket_functions = {
	.asocket = open_cb,
	.aclose = close_cb,
	.aconnect = connect_cb,
	.arecvfrom = receive_cb,
	.asendv = send_cb,
};
