/*
 * The sockets that c-ares gets, which lead to the server of the asker. On one
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
channel_of(const struct dns_asker *asker)
{
	return (asker->server->set->channel);
}

/* Keeps what went wrong for the words that it is told in. */
static ssize_t
note(struct dns_asker *asker, ssize_t result)
{
	if (result == -1 && errno != EAGAIN && errno != EINTR &&
	    errno != EINPROGRESS)
		asker->error = errno;
	return (result);
}

static ares_socket_t
open_cb(int family, int type, int protocol, void *arg)
{
	struct dns_asker *asker = arg;
	struct dns_channel *ch = channel_of(asker);
	int fd = -1;

	asker->error = 0;
	asker->deaf = asker->unheard = false;
	asker->since = loop_now(ch->loop);
	asker->worn = asker->strays = 0;
	errno = EMFILE;
	if (ch->sockets < BOOT_FILES_DNS_UDP)
		fd = socket(asker->server->where.addr.family,
		    type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
	if (fd != -1)
		ch->sockets++;
	return ((int)note(asker, fd));
}

static int
close_cb(ares_socket_t fd, void *arg)
{
	struct dns_asker *asker = arg;

	if (asker->refused == fd)
		asker->refused = -1;
	channel_of(asker)->sockets--;
	return (close(fd));
}

/* The interface is asked for each time: it may have come anew. */
static int
connect_cb(
    ares_socket_t fd, const struct sockaddr *to, ares_socklen_t len, void *arg)
{
	struct dns_asker *asker = arg;
	struct sockaddr_storage ss;
	socklen_t size;
	int error = nameserver_to_sockaddr(&asker->server->where, &ss, &size);

	if (error != 0) {
		errno = -error;
		return ((int)note(asker, -1));
	}
	return ((int)note(asker, connect(fd, (struct sockaddr *)&ss, size)));
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
keep_asked(struct dns_asker *asker, const struct iovec *part)
{
	struct dns_asked *asked = &asker->asked[asker->asked_next];

	if (part->iov_len > sizeof(asked->bytes))
		return;
	memcpy(asked->bytes, part->iov_base, part->iov_len);
	asked->len = part->iov_len;
	asker->asked_next = (asker->asked_next + 1) % DNS_ASKED;
}

/* Puts the question into an answer that has none; returns its length. */
static size_t
complete(struct dns_asker *asker, size_t len)
{
	uint8_t whole[DNS_MESSAGE_QUESTION_SIZE];
	const struct dns_asked *asked = asker->asked;
	size_t n = 0;

	for (; asked < asker->asked + DNS_ASKED && n == 0; asked++)
		n = dns_message_complete(
		    whole, asker->message, len, asked->bytes, asked->len);
	if (n == 0)
		return (len);
	memcpy(asker->message, whole, n);
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
	struct dns_asker *asker = arg;
	uint8_t head[DNS_MESSAGE_QUESTION_SIZE];
	size_t n = 0;
	ssize_t got;

	if (asker->refused == fd) {
		asker->refused = -1;
		errno = ECONNREFUSED;
		return (note(asker, -1));
	}
	if (asker->may_read) {
		got = recv(fd, asker->message, sizeof(asker->message), flags);
		if (got == -1)
			return (note(asker, got));
		asker->may_read = false;
		asker->message_len = complete(asker, (size_t)got);
		n = dns_message_head(head, asker->message, asker->message_len);
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
	struct dns_asker *asker =
	    container_of(task, struct dns_asker, refused_task);

	if (asker->refused != -1)
		ares_process_fd(asker->ares, asker->refused, ARES_SOCKET_BAD);
}

/*
 * A refusal that a send tells of is that of an earlier question. The kernel
 * tells it once, and 1.18 has only the question that was to be sent end by it,
 * so that the earlier one would wait for its time-out.
 */
static ares_ssize_t
send_cb(ares_socket_t fd, const struct iovec *parts, int n, void *arg)
{
	struct dns_asker *asker = arg;
	ssize_t sent = note(asker, writev(fd, parts, n));

	if (sent != -1 && n == 1)
		keep_asked(asker, parts);
	if (sent == -1 && errno == ECONNREFUSED) {
		asker->refused = fd;
		loop_defer(channel_of(asker)->loop, &asker->refused_task);
		errno = ECONNREFUSED;
	}
	return (sent);
}

void
dns_socket_use(struct dns_asker *asker)
{
	static const struct ares_socket_functions functions = {
		.asocket = open_cb,
		.aclose = close_cb,
		.aconnect = connect_cb,
		.arecvfrom = receive_cb,
		.asendv = send_cb,
	};

	ares_set_socket_functions(asker->ares, &functions, asker);
}
