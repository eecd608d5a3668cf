/*
 * A half: what is noted of each answer of an operation, how an end without a
 * goodbye is judged, and plain TCP on sockets of this host, with errors that
 * the kernel tells once.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/fd.h"
#include "t/unit/tap.h"
#include "worker/tls/stream.h"
#include "worker/tunnel/half.h"
#include "worker/tunnel/half_tls.h"

#define CHUNK 4096

/* What the kernel says of a socket, where it is told to. */
static struct tcp_info *told_info;
static int told_unacknowledged = -1;
static int told_error; /* of the next getsockopt(SO_ERROR), once */

int
getsockopt(int fd, int level, int name, void *value, socklen_t *len)
{
	if (level == IPPROTO_TCP && name == TCP_INFO && told_info != NULL) {
		memcpy(value, told_info, sizeof(*told_info));
		return (0);
	}
	if (level == SOL_SOCKET && name == SO_ERROR && told_error != 0) {
		memcpy(value, &told_error, sizeof(told_error));
		told_error = 0;
		return (0);
	}
	return ((int)syscall(SYS_getsockopt, fd, level, name, value, len));
}

int
ioctl(int fd, unsigned long request, ...)
{
	va_list ap;
	int *n;

	va_start(ap, request);
	n = va_arg(ap, int *);
	va_end(ap);
	if (request == SIOCOUTQ && told_unacknowledged != -1) {
		*n = told_unacknowledged;
		return (0);
	}
	return ((int)syscall(SYS_ioctl, fd, request, n));
}

/* A session that answers, and counts what it is asked for. */
struct tls_stream {
	struct io answer;
	unsigned receives, sends, flushes, finishes, parts, frees;
	bool behind;
	size_t size;
};

struct io
tls_receive(struct tls_stream *tls, uint8_t *at, size_t size, bool behind)
{
	tls->receives++;
	tls->size = size;
	tls->behind = behind;
	return (tls->answer);
}

struct io
tls_send(struct tls_stream *tls, const uint8_t *at, size_t len)
{
	tls->sends++;
	return (tls->answer);
}

struct io
tls_flush(struct tls_stream *tls)
{
	tls->flushes++;
	return (tls->answer);
}

struct io
tls_finish(struct tls_stream *tls)
{
	tls->finishes++;
	return (tls->answer);
}

void
tls_part(struct tls_stream *tls)
{
	tls->parts++;
}

void
tls_stream_free(struct tls_stream *tls)
{
	if (tls != NULL)
		tls->frees++;
}

static struct buffers buffers;
static struct half here, there;
static uint8_t buf[1024 * 1024];

/* A half whose operations answer that, whatever they are. */
static struct io says;
static unsigned closes;
static size_t given; /* room that a receive had */

static struct io
say_receive(struct half *h, uint8_t *at, size_t size)
{
	given = size;
	return (says);
}

static struct io
say_send(struct half *h, const uint8_t *at, size_t len)
{
	return (says);
}

static struct io
say(struct half *h)
{
	return (says);
}

static void
say_close(struct half *h)
{
	closes++;
}

static const struct half_ops say_ops = {
	.receive = say_receive,
	.send = say_send,
	.flush = say,
	.finish = say,
	.close = say_close,
};

static void
sayer(struct io io)
{
	half_init(&here, &say_ops, &buffers, &there);
	here.readable = here.writable = true;
	says = io;
}

static struct io
said(enum io_outcome outcome, int error, size_t n)
{
	return ((struct io){ .outcome = outcome, .error = error, .n = n });
}

/* The four operations, by number. */
static struct io
operate(unsigned which)
{
	switch (which) {
	case 0:
		return (half_receive(&here, buf));
	case 1:
		return (half_send(&here, buf, 1));
	case 2:
		return (half_flush(&here));
	default:
		return (half_finish(&here));
	}
}

/* What must hold after one operation that answered that. */
static const char *
noted(unsigned which, struct io answer, struct io got)
{
	bool wait_read = answer.outcome == IO_WAIT_READ;
	bool wait_write = answer.outcome == IO_WAIT_WRITE;
	bool kept = answer.error != 0 && answer.outcome != IO_BROKEN;

	if (here.readable == wait_read)
		return ("readable");
	if (here.writable == wait_write)
		return ("writable");
	if (here.error != (kept ? answer.error : 0))
		return ("the error");
	if (here.finished != (which == 3 && answer.outcome == IO_DONE))
		return ("finished");
	if (here.goodbye != (here.finished ? answer.n : 0))
		return ("the goodbye");
	if (here.ended || here.truncated)
		return ("an end, which is for the pump to note");
	if (got.n != 0 && got.n != answer.n)
		return ("bytes");
	return (NULL);
}

static void
test_notes(void)
{
	static const enum io_outcome outcomes[] = { IO_DONE, IO_WAIT_READ,
		IO_WAIT_WRITE, IO_TURN, IO_END, IO_CUT, IO_BROKEN };
	static const int errors[] = { 0, -ECONNRESET };
	static const char *const names[] = { "receive", "send", "flush",
		"finish" };
	unsigned which, i, k, n;
	struct half large;
	const char *why;

	for (which = 0; which < 4; which++) {
		why = NULL;
		for (i = 0; i < 7 * 2 * 2 && why == NULL; i++) {
			k = i / 2 % 2;
			n = i / 4;
			sayer(said(outcomes[n], errors[k], i % 2 * 31));
			why = noted(which, says, operate(which));
		}
		ok(why == NULL, "every answer of a %s is noted: %s",
		    names[which], why != NULL ? why : "all of it");
	}
	sayer(said(IO_DONE, 0, 0));
	(void)half_receive(&here, buf);
	is_int((int64_t)given, CHUNK, "a receive is given a chunk");
	here.room = 2 * CHUNK;
	(void)half_receive(&here, buf);
	is_int((int64_t)given, 2 * CHUNK, "or its room");
	buffers.chunk = 64 * 1024;
	half_init(&large, &say_ops, &buffers, &there);
	buffers.chunk = CHUNK;
	is_int((int64_t)large.room, 63 * 1024,
	    "64 KiB leave room for what is around records in one segment");
}

static void
test_errors(void)
{
	struct io io;

	sayer(said(IO_WAIT_READ, -ECONNRESET, 10));
	io = half_receive(&here, buf);
	is_int(io.outcome, IO_WAIT_READ, "bytes before a reset come first");
	is_int(here.error, -ECONNRESET, "it is kept");
	says = said(IO_WAIT_READ, -ETIMEDOUT, 0);
	io = half_receive(&here, buf);
	is_int(io.outcome, IO_BROKEN, "then it is broken");
	is_int(io.error, -ECONNRESET, "the first error stands");
	is_int(here.error, -ECONNRESET, "though there was another");
	sayer(said(IO_WAIT_READ, 0, 0));
	io = half_receive(&here, buf);
	is_int(io.outcome, IO_WAIT_READ, "nothing, and no error: wait");
	sayer(said(IO_WAIT_WRITE, -ECONNRESET, 0));
	io = half_send(&here, buf, 1);
	is_int(io.outcome, IO_WAIT_WRITE, "what a send was told of meanwhile");
	is_int(here.error, -ECONNRESET, "is kept");
	is_int(half_socket_error(&here), -ECONNRESET, "and told again");
	sayer((struct io){
	    .outcome = IO_BROKEN, .error = -EPROTO, .why = "bad" });
	io = half_receive(&here, buf);
	is_str(here.why, "bad", "what a protocol says of its fault is kept");
	says.why = NULL;
	(void)half_send(&here, buf, 1);
	is_str(here.why, "bad", "whatever comes then");
	half_close(&here, true);
	ok(here.why == NULL, "until the stream is closed");
}

/* A connection with this host; what is at its other end. */
static int
tcp_pair(struct half *h)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };
	socklen_t len = sizeof(sin);
	int one = 1, listening = socket(AF_INET, SOCK_STREAM, 0);
	int peer = socket(AF_INET, SOCK_STREAM, 0);

	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (bind(listening, (struct sockaddr *)&sin, sizeof(sin)) != 0 ||
	    listen(listening, 1) != 0 ||
	    getsockname(listening, (struct sockaddr *)&sin, &len) != 0 ||
	    connect(peer, (struct sockaddr *)&sin, sizeof(sin)) != 0)
		abort();
	half_tcp_init(h, &buffers, &there);
	h->lfd.fd = accept4(listening, NULL, NULL, SOCK_NONBLOCK);
	if (h->lfd.fd == -1 || fd_tunnel_options(h->lfd.fd, NULL) != 0)
		abort();
	(void)setsockopt(peer, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	h->readable = h->writable = true;
	close(listening);
	return (peer);
}

/* The same with a session in front of it. */
static int
tls_pair(struct half *h, struct tls_stream *tls, struct io answer)
{
	int fd, peer = tcp_pair(h);

	fd = h->lfd.fd;
	half_tls_init(h, &buffers, &there);
	h->lfd.fd = fd;
	h->readable = h->writable = true;
	*tls = (struct tls_stream){ .answer = answer };
	h->stream = tls;
	return (peer);
}

/* Waits for what poll(2) tells of a socket, and tells the half as epoll would.
 */
static void
await(struct half *h, short events)
{
	struct pollfd p = { .fd = h->lfd.fd,
		.events = (short)(events | POLLIN | POLLRDHUP) };

	while ((p.revents & (events | POLLERR)) == 0)
		if (poll(&p, 1, 10000) != 1)
			return;
	/* The bits of both are the same. */
	half_event(h, (uint32_t)p.revents);
}

static void
reset(int peer)
{
	struct linger now = { .l_onoff = 1 };

	setsockopt(peer, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(peer);
}

/* An end that the peer sees: 0, or the errno of its error. */
static int
peer_sees(int peer)
{
	char waste[4096];
	ssize_t n;

	while ((n = recv(peer, waste, sizeof(waste), 0)) > 0)
		continue;
	return (n == 0 ? 0 : errno);
}

static void
test_bytes(void)
{
	int peer = tcp_pair(&here);
	struct io io = half_receive(&here, buf);

	is_int(io.outcome, IO_WAIT_READ, "nothing is there");
	is_int(here.readable, false, "until epoll says so");
	send(peer, "hello", 5, 0);
	await(&here, POLLIN);
	is_int(here.readable, true, "it does");
	io = half_receive(&here, buf);
	is_int(io.outcome, IO_WAIT_READ, "fewer bytes than were asked for");
	is_int((int64_t)io.n, 5, "are all that there are");
	is_int((int64_t)io.cost, 5, "and cost as many");
	send(peer, buf, CHUNK, 0);
	await(&here, POLLIN);
	io = half_receive(&here, buf);
	is_int(io.outcome, io.n == CHUNK ? IO_DONE : IO_WAIT_READ,
	    "as many as were asked for may have more behind them");
	ok(io.n <= CHUNK, "never more");
	here.room = 2;
	send(peer, "abc", 3, 0);
	await(&here, POLLIN);
	io = half_receive(&here, buf);
	is_int(io.outcome, IO_DONE, "a smaller room");
	is_int((int64_t)io.n, 2, "is all that is used");
	half_close(&here, true);
	close(peer);
}

static void
test_sends(void)
{
	int peer = tcp_pair(&here), small = 4096;
	size_t turns = 0;
	struct io io;

	setsockopt(here.lfd.fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
	setsockopt(peer, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	io = half_send(&here, buf, sizeof(buf));
	is_int(io.outcome, IO_WAIT_WRITE, "who does not read is waited for");
	ok(io.n > 0 && io.n < sizeof(buf), "part of it was taken");
	is_int(here.writable, false, "it cannot be written");
	while (io.n > 0 && turns++ < 1000)
		io = half_send(&here, buf, sizeof(buf));
	is_int((int64_t)io.n, 0, "at last nothing is taken");
	is_int(io.outcome, IO_WAIT_WRITE, "which is no error");
	ok(half_unacknowledged(&here) > 0, "some is not acknowledged");
	io = half_flush(&here);
	is_int(io.outcome, IO_DONE, "TCP has nothing to flush");
	reset(peer);
	await(&here, POLLERR);
	is_int(here.writable, true, "a reset makes it writable");
	is_int(here.failed, true, "it failed");
	io = half_send(&here, buf, 1);
	is_int(io.outcome, IO_BROKEN, "a send is told of the reset");
	is_int(io.error, -ECONNRESET, "and why");
	here.error = io.error; /* as the pump does */
	io = half_receive(&here, buf);
	is_int(io.outcome, IO_BROKEN, "what reads as an end of stream then");
	is_int(io.error, -ECONNRESET, "is that reset");
	half_close(&here, true);
}

static void
test_end(void)
{
	int peer = tcp_pair(&here);
	struct io io;

	send(peer, "last", 4, 0);
	shutdown(peer, SHUT_WR);
	await(&here, POLLRDHUP);
	is_int(here.hangup, true, "an end is announced");
	io = half_receive(&here, buf);
	is_int((int64_t)io.n, 4, "bytes come before it");
	is_int(io.outcome, IO_DONE, "so one goes on behind fewer than asked");
	io = half_receive(&here, buf);
	is_int(io.outcome, IO_END, "and sees the end");
	io = half_finish(&here);
	is_int(io.outcome, IO_DONE, "our own end");
	is_int((int64_t)here.goodbye, 0, "has no goodbye");
	is_int(peer_sees(peer), 0, "is what the peer sees");
	io = half_send(&here, buf, 1);
	is_int(io.outcome, IO_BROKEN, "nothing is sent behind it");
	is_int(io.error, -EPIPE, "and others are to find out why");
	half_close(&here, false);
	close(peer);
	peer = tcp_pair(&here);
	reset(peer);
	await(&here, POLLERR);
	(void)half_socket_error(&here);
	io = half_finish(&here);
	is_int(io.outcome, IO_BROKEN, "an end for who has reset");
	is_int(io.error, -ENOTCONN, "cannot be told");
	half_close(&here, true);
}

static void
test_reset(void)
{
	int peer = tcp_pair(&here);
	struct io io;

	send(peer, "last", 4, 0);
	await(&here, POLLIN);
	reset(peer);
	await(&here, POLLERR);
	io = half_receive(&here, buf);
	is_int(io.outcome, IO_DONE, "bytes in front of a reset");
	is_int((int64_t)io.n, 4, "are not lost");
	io = half_receive(&here, buf);
	is_int(io.outcome, IO_BROKEN, "then the reset comes");
	is_int(io.error, -ECONNRESET, "and is one");
	half_close(&here, true);
	peer = tcp_pair(&here);
	reset(peer);
	await(&here, POLLERR);
	is_int(half_socket_error(&here), -ECONNRESET, "asked for, it is told");
	is_int(half_socket_error(&here), -ECONNRESET, "again and again");
	half_close(&here, true);
	is_int(half_socket_error(&here), -ECONNRESET, "even when closed");
}

static void
test_urgent(void)
{
	int peer = tcp_pair(&here), turns = 0;
	size_t got = 0;
	struct io io = { 0 };

	send(peer, "ab", 2, 0);
	send(peer, "!", 1, MSG_OOB);
	send(peer, "cd", 2, 0);
	await(&here, POLLPRI);
	is_int(here.urgent, true, "urgent bytes are announced");
	while (got < 5 && turns++ < 1000000) {
		io = half_receive(&here, buf + got);
		got += io.n;
	}
	is_int((int64_t)got, 5, "all bytes come, urgent or not");
	ok(memcmp(buf, "ab!cd", 5) == 0, "in their order");
	is_int(io.outcome, IO_DONE, "one always tries again behind them");
	half_close(&here, true);
	close(peer);
}

static void
test_close(void)
{
	int peer = tcp_pair(&here);

	half_close(&here, true);
	is_int(peer_sees(peer), ECONNRESET, "a reset is what the peer sees");
	is_int(here.lfd.fd, -1, "the socket is gone");
	half_close(&here, true);
	close(peer);
	peer = tcp_pair(&here);
	half_close(&here, false);
	is_int(peer_sees(peer), 0, "or an end, where all went well");
	close(peer);
	peer = tcp_pair(&here);
	(void)half_send(&here, buf, 100);
	half_close(&here, false);
	is_int(recv(peer, buf, 100, MSG_WAITALL), 100, "what was sent");
	is_int(peer_sees(peer), 0, "comes before it");
	close(peer);
	closes = 0;
	sayer(said(IO_DONE, 0, 0));
	here.stream = &says;
	if (buffer_lend(&buffers, &here.pending) != 0)
		abort();
	half_close(&here, false);
	is_int(closes, 1, "the stream is closed, though there is no socket");
	ok(here.stream == NULL, "and forgotten");
	is_int((int64_t)buffers.nlent, 0, "and the block returned");
}

static void
test_tls(void)
{
	struct tls_stream tls;
	int peer = tls_pair(&here, &tls, said(IO_WAIT_READ, 0, 20));
	struct io io = half_receive(&here, buf);

	is_int(io.outcome, IO_WAIT_READ, "a session's answer is the half's");
	is_int((int64_t)io.n, 20, "with its bytes");
	is_int((int64_t)tls.size, (int64_t)buffers.size,
	    "a session is given a whole block");
	is_int(tls.behind, false, "nothing stands behind the bytes");
	here.hangup = true;
	(void)half_receive(&here, buf);
	is_int(tls.behind, true, "or the end does, and it is told");
	tls.answer = said(IO_WAIT_WRITE, 0, 0);
	(void)half_send(&here, buf, 1);
	(void)half_flush(&here);
	is_int((int64_t)(tls.sends + tls.flushes), 2, "the others reach it");
	io = half_finish(&here);
	is_int(io.outcome, IO_WAIT_WRITE, "a goodbye that has to wait");
	is_int(send(here.lfd.fd, "x", 1, MSG_NOSIGNAL), 1, "is not the end");
	tls.answer = said(IO_BROKEN, -EPROTO, 0);
	is_int(half_finish(&here).error, -EPROTO, "nor one that failed");
	is_int(send(here.lfd.fd, "x", 1, MSG_NOSIGNAL), 1, "is");
	tls.answer = said(IO_DONE, 0, 24);
	is_int(half_finish(&here).outcome, IO_DONE, "one that was sent");
	is_int((int64_t)here.goodbye, 24, "has its length");
	is_int(peer_sees(peer), 0, "and the end of TCP behind it");
	half_close(&here, false);
	is_int(tls.parts, 1, "it parts from its client");
	is_int(tls.frees, 1, "and is freed");
	close(peer);
	peer = tls_pair(&here, &tls, said(IO_DONE, 0, 24));
	reset(peer);
	await(&here, POLLERR);
	is_int(half_finish(&here).outcome, IO_DONE,
	    "that a client is gone is for those to find who read");
	here.error = -ECONNRESET;
	half_close(&here, true);
	is_int(tls.parts, 0, "nothing is sent to who is gone");
	is_int(tls.frees, 1, "but the session is freed");
	tls = (struct tls_stream){ .answer = says };
	half_tls_init(&here, &buffers, &there);
	half_close(&here, true);
	is_int((int64_t)(tls.parts + tls.frees), 0, "none, none is freed");
}

static void
test_event(void)
{
	static const struct {
		uint32_t events;
		bool readable, writable, urgent, hangup, failed;
	} rows[] = {
		{ EPOLLIN, true, false, false, false, false },
		{ EPOLLOUT, false, true, false, false, false },
		{ EPOLLPRI, false, false, true, false, false },
		{ EPOLLRDHUP, true, false, false, true, false },
		{ EPOLLHUP, true, true, false, true, false },
		{ EPOLLERR, true, true, false, true, true },
	};
	struct half *h = &here;
	size_t i, n = sizeof(rows) / sizeof(rows[0]);
	bool right = true;

	for (i = 0; i < n; i++) {
		half_init(h, &say_ops, &buffers, &there);
		half_event(h, rows[i].events);
		right = right && h->readable == rows[i].readable &&
			h->writable == rows[i].writable &&
			h->urgent == rows[i].urgent &&
			h->hangup == rows[i].hangup &&
			h->failed == rows[i].failed &&
			half_behind(h) == (h->urgent || h->hangup);
		half_event(h, 0);
		right = right && h->failed == rows[i].failed;
	}
	ok(right, "what epoll says is noted, and stays");
}

/* A client that we have told our end, with a goodbye of 31 bytes. */
static void
told(size_t goodbye, int unacknowledged)
{
	sayer(said(IO_CUT, 0, 0));
	here.finished = true;
	here.goodbye = goodbye;
	here.lfd.fd = 0; /* nothing is asked of it in truth */
	told_unacknowledged = unacknowledged;
}

static void
test_answered(void)
{
	told(31, 32);
	ok(half_answered(&here), "all arrived but the goodbye and the end");
	told(31, 33);
	ok(!half_answered(&here), "a byte before them did not");
	told(0, 0);
	ok(!half_answered(&here), "there was no goodbye");
	told(31, 0);
	here.finished = false;
	ok(!half_answered(&here), "nor an end");
	here.lfd.fd = -1;
	told_unacknowledged = 5;
	is_int((int64_t)half_unacknowledged(&here), 0, "no socket: nothing");
	told_unacknowledged = -1;
}

/* How an end without the goodbye is judged. */
static void
test_cut(void)
{
	struct io io;

	sayer(said(IO_CUT, 0, 0));
	is_int(half_receive(&here, buf).outcome, IO_CUT, "a cut is one");
	here.strict = true;
	io = half_receive(&here, buf);
	is_int(io.outcome, IO_BROKEN, "where it must not be, it is a fault");
	is_int(io.error, -ECONNABORTED, "of its own kind");
	is_int(here.error, 0, "not of the socket");
	told(31, 100);
	here.failed = true;
	told_error = ECONNRESET;
	io = half_receive(&here, buf);
	is_int(io.outcome, IO_BROKEN, "a reset behind it is what it was");
	is_int(io.error, -ECONNRESET, "whatever was cut");
	told(31, 100);
	here.failed = here.strict = true;
	told_error = ETIMEDOUT;
	is_int(half_receive(&here, buf).error, -ETIMEDOUT,
	    "so it is where the cut alone would be a fault");
	told(31, 10);
	here.failed = true;
	told_error = ECONNRESET;
	is_int(half_receive(&here, buf).outcome, IO_CUT,
	    "but a reset that answers our end is none");
	is_int(here.error, 0, "and not asked for");
	told_error = 0;
	told(31, 100);
	told_error = ECONNRESET;
	is_int(half_receive(&here, buf).outcome, IO_CUT,
	    "nor is the socket asked where epoll told of no error");
	told_error = 0;
	told(31, 10);
	here.error = -ETIMEDOUT;
	is_int(half_receive(&here, buf).error, -ETIMEDOUT,
	    "an error that is known stands in any case");
	told_unacknowledged = -1;
	sayer(said(IO_END, -ECONNRESET, 0));
	is_int(half_receive(&here, buf).outcome, IO_END,
	    "a goodbye is a goodbye, whatever comes behind it");
}

static void
test_lost(void)
{
	struct tcp_info info = { .tcpi_bytes_acked = 10,
		.tcpi_unacked = 1,
		.tcpi_snd_wnd = 1,
		.tcpi_retransmits = 3,
		.tcpi_last_data_sent = 500 };
	int64_t second = CLOCK_SEC, next = CLOCK_NEVER, at = 100 * second;
	bool lost = false;
	int looks;

	told_info = &info;
	sayer(said(IO_DONE, 0, 0));
	ok(!half_lost(&here, at, second, &next), "no socket: nobody is lost");
	here.lfd.fd = 0;
	is_int(half_last_sent(&here), CLOCK_NEVER, "repeated bytes are none");
	ok(!half_lost(&here, at, second, &next), "the first look");
	ok(next > at && next <= at + 2 * second, "tells when to look again");
	for (looks = 0; looks < 10 && !lost; looks++) {
		info.tcpi_last_ack_recv = 10000;
		at = next;
		next = CLOCK_NEVER;
		lost = half_lost(&here, at, second, &next);
	}
	ok(lost, "who never answers is lost");
	is_int(here.error, -ETIMEDOUT, "and why");
	here.error = -EHOSTUNREACH;
	(void)half_lost(&here, at, second, &next);
	is_int(here.error, -EHOSTUNREACH, "unless more is known");
	sayer(said(IO_DONE, 0, 0));
	here.lfd.fd = 0;
	info = (struct tcp_info){ .tcpi_last_data_sent = 500 };
	next = CLOCK_NEVER;
	ok(!half_lost(&here, at, second, &next), "who owes nothing is not");
	is_int(next, CLOCK_NEVER, "and not looked at");
	is_int(half_last_sent(&here), 500 * CLOCK_MSEC, "bytes were sent then");
	told_info = NULL;
}

/* What is short-lived is spared the calls. */
static void
test_keep_alive(void)
{
	struct half h;
	int peer = tcp_pair(&h), on = 0, idle = 0;
	socklen_t len = sizeof(int);

	(void)getsockopt(h.lfd.fd, SOL_SOCKET, SO_KEEPALIVE, &on, &len);
	is_int(on, 0, "keep-alive is off at first");
	half_keep_alive(&h, 120 * CLOCK_SEC);
	(void)getsockopt(h.lfd.fd, SOL_SOCKET, SO_KEEPALIVE, &on, &len);
	(void)getsockopt(h.lfd.fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, &len);
	ok(on == 1 && idle == 60, "then it is on");
	half_close(&h, true);
	close(peer);
}

int
main(void)
{
	alarm(60);
	buffers_init(&buffers, CHUNK, BUFFER_SLACK);
	test_notes();
	test_errors();
	test_bytes();
	test_sends();
	test_end();
	test_reset();
	test_urgent();
	test_close();
	test_tls();
	test_event();
	test_answered();
	test_cut();
	test_lost();
	test_keep_alive();
	buffers_fini(&buffers);
	return (done_testing());
}
