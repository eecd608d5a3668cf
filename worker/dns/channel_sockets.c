/*
 * The sockets that c-ares gets, which lead to the server of the line. On one
 * of its own, 1.18 would call F_SETFL to make it non-blocking, which the
 * sandbox forbids; and it knows nothing of an interface.
 */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "common/boot.h"
#include "worker/dns/channel_state.h"

static struct dns_channel *
channel_of(const struct dns_line *line)
{
	return (line->server->set->channel);
}

/* Keeps what went wrong for the words that it is told in. */
static ssize_t
note(struct dns_line *line, ssize_t result)
{
	if (result == -1 && errno != EAGAIN && errno != EINTR &&
	    errno != EINPROGRESS)
		line->error = errno;
	return (result);
}

static ares_socket_t
open_cb(int family, int type, int protocol, void *arg)
{
	struct dns_line *line = arg;
	struct dns_channel *ch = channel_of(line);
	int fd = -1;

	line->error = 0;
	line->deaf = false;
	line->since = loop_now(ch->loop);
	line->worn = line->strays = 0;
	errno = EMFILE;
	if (ch->sockets < BOOT_FILES_DNS_UDP)
		fd = socket(line->server->where.addr.family,
		    type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
	if (fd != -1)
		ch->sockets++;
	return ((int)note(line, fd));
}

static int
close_cb(ares_socket_t fd, void *arg)
{
	struct dns_line *line = arg;

	if (line->refused == fd)
		line->refused = -1;
	channel_of(line)->sockets--;
	return (close(fd));
}

/* The interface is asked for each time: it may have come anew. */
static int
connect_cb(
    ares_socket_t fd, const struct sockaddr *to, ares_socklen_t len, void *arg)
{
	struct dns_line *line = arg;
	struct sockaddr_storage ss;
	socklen_t size;
	int error = nameserver_to_sockaddr(&line->server->where, &ss, &size);

	if (error != 0) {
		errno = -error;
		return ((int)note(line, -1));
	}
	return ((int)note(line, connect(fd, (struct sockaddr *)&ss, size)));
}

/* What c-ares takes for the sender: a connected socket has messages of its
 * server alone, whose address c-ares has another idea of. */
static void
put_sender(struct sockaddr *from, ares_socklen_t *len)
{
	const struct sockaddr_in loopback = {
		.sin_family = AF_INET,
		.sin_port = htons(53),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};

	if (from == NULL || len == NULL || *len < sizeof(loopback))
		return;
	memcpy(from, &loopback, sizeof(loopback));
	*len = sizeof(loopback);
}

static void
keep_asked(struct dns_line *line, const struct iovec *part)
{
	struct dns_asked *asked = &line->asked[line->asked_next];

	if (part->iov_len > sizeof(asked->bytes))
		return;
	memcpy(asked->bytes, part->iov_base, part->iov_len);
	asked->len = part->iov_len;
	line->asked_next = (line->asked_next + 1) % DNS_ASKED;
}

/* Puts the question into an answer that has none; returns its length. */
static size_t
complete(struct dns_line *line, size_t len)
{
	uint8_t whole[DNS_MESSAGE_QUESTION_SIZE];
	const struct dns_asked *asked = line->asked;
	size_t n = 0;

	for (; asked < line->asked + DNS_ASKED && n == 0; asked++)
		n = dns_message_complete(
		    whole, line->message, len, asked->bytes, asked->len);
	if (n == 0)
		return (len);
	memcpy(line->message, whole, n);
	return (n);
}

/*
 * c-ares sees the head of each answer, enough to find the question by. The rest
 * is read by us: 1.34 has the whole socket pay for a malformed one, with all
 * that is asked by it, and lowers its time-outs after quick answers that are
 * good ones, which it is not told that they are. One answer at a time, so that
 * it is known whose it is; what is longer than a server may send is cut.
 */
static ares_ssize_t
receive_cb(ares_socket_t fd, void *bytes, size_t size, int flags,
    struct sockaddr *from, ares_socklen_t *len, void *arg)
{
	struct dns_line *line = arg;
	uint8_t head[DNS_MESSAGE_QUESTION_SIZE];
	size_t n = 0;
	ssize_t got;

	if (line->refused == fd) {
		line->refused = -1;
		errno = ECONNREFUSED;
		return (note(line, -1));
	}
	if (line->may_read) {
		got = recv(fd, line->message, sizeof(line->message), flags);
		if (got == -1)
			return (note(line, got));
		line->may_read = false;
		line->message_len = complete(line, (size_t)got);
		n = dns_message_head(head, line->message, line->message_len);
	}
	if (n == 0 || n > size) {
		errno = EAGAIN;
		return (-1);
	}
	put_sender(from, len);
	memcpy(bytes, head, n);
	return ((ares_ssize_t)n);
}

/* Has all questions of the socket end: their server is not there. */
void
dns_socket_refused_task(struct loop_task *task)
{
	struct dns_line *line =
	    container_of(task, struct dns_line, refused_task);

	if (line->refused != -1)
		ares_process_fd(line->ares, line->refused, ARES_SOCKET_BAD);
}

/*
 * A refusal that a send tells of is that of an earlier question. The kernel
 * tells it once, and 1.18 has only the question that was to be sent end by it,
 * so that the earlier one would wait for its time-out.
 */
static ares_ssize_t
send_cb(ares_socket_t fd, const struct iovec *parts, int n, void *arg)
{
	struct dns_line *line = arg;
	ssize_t sent = note(line, writev(fd, parts, n));

	if (sent != -1 && n == 1)
		keep_asked(line, parts);
	if (sent == -1 && errno == ECONNREFUSED) {
		line->refused = fd;
		loop_defer(channel_of(line)->loop, &line->refused_task);
		errno = ECONNREFUSED;
	}
	return (sent);
}

const struct ares_socket_functions dns_socket_functions = {
	.asocket = open_cb,
	.aclose = close_cb,
	.aconnect = connect_cb,
	.arecvfrom = receive_cb,
	.asendv = send_cb,
};
