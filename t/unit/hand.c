/* Connections on their way to a worker, which takes them, does not, or tries to
 * make our own close(2) of them wait. */
#include "master/hand.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/fd.h"
#include "common/control.h"
#include "t/unit/tap.h"

/* What a client and we have of one connection. */
struct ends {
	int client, ours;
};

static struct ends
connection(void)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };
	socklen_t len = sizeof(sin);
	struct ends e = { -1, -1 };
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	e.client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(listener, (struct sockaddr *)&sin, sizeof(sin)) == 0 &&
	    listen(listener, 1) == 0 &&
	    getsockname(listener, (struct sockaddr *)&sin, &len) == 0 &&
	    connect(e.client, (struct sockaddr *)&sin, len) == 0)
		e.ours =
		    accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	close(listener);
	return (e);
}

/* Adds one and returns the client's end. */
static int
add(struct hand *h, uint32_t listener)
{
	struct ends e = connection();
	const struct hand_connection c = { .fd = e.ours,
		.listener = listener,
		.client = { .family = AF_INET, .port = 4711 } };

	is_int(hand_add(h, &c), 0, "one is added");
	is_int(fcntl(e.ours, F_GETFD), -1, "it is not ours any more");
	return (e.client);
}

/* What the worker gets: the end of the pair. */
static int
receive(int control_fd)
{
	int fds[CONTROL_FDS_MAX] = { -1 };
	struct control_msg msg;
	size_t n;

	if (control_recv(control_fd, &msg, fds, &n) != 1 ||
	    msg.type != CONTROL_HAND)
		return (-1);
	return (fds[0]);
}

static void
test_taken(void)
{
	int control[2], client[2], fds[CONTROL_FDS_MAX], pair;
	struct control_msg msg;
	struct hand h;
	size_t n, i;

	hand_init(&h);
	ok(hand_is_free(&h) && hand_has_room(&h), "nothing is on its way");
	if (control_pair(control) != 0)
		return;
	client[0] = add(&h, 3);
	client[1] = add(&h, 5);
	ok(!hand_is_free(&h) && hand_has_room(&h), "two are");
	is_int(hand_look(&h, 0), CLOCK_NEVER, "to nobody yet");
	is_int(hand_send(&h, control[0], 0), 0, "sent");
	ok(!hand_has_room(&h), "no more can be added");
	pair = receive(control[1]);
	ok(pair >= 0, "the worker gets it");
	for (i = 0; i < 2; i++) {
		ok(hand_look(&h, 0) != CLOCK_NEVER, "it is looked at again");
		is_int(control_recv(pair, &msg, fds, &n), 1, "it takes one");
		ok(msg.type == CONTROL_CONNECTION &&
			msg.listener == 3 + 2 * i && msg.client.port == 4711,
		    "which says where it comes from");
		is_int(send(fds[0], "x", 1, MSG_NOSIGNAL), 1, "writes to it");
		ok(read(client[i], &msg, 1) == 1, "the client reads it");
		close(fds[0]);
		close(client[i]);
	}
	is_int(control_recv(pair, &msg, fds, &n), 0, "there are no more");
	is_int(hand_look(&h, 0), CLOCK_NEVER, "that is the end");
	ok(hand_is_free(&h), "the next ones can come");
	close(pair);
	close(control[0]);
	close(control[1]);
}

/* The next one is looked at, and stays. */
static int
peek(int pair)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} space;
	struct control_msg text;
	struct iovec iov = { &text, sizeof(text) };
	struct msghdr msg = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = space.bytes,
		.msg_controllen = sizeof(space.bytes) };
	int fd;

	if (recvmsg(pair, &msg, MSG_PEEK | MSG_CMSG_CLOEXEC) < 0)
		return (-1);
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(fd));
	return (fd);
}

static void
test_spoiled(void)
{
	static const struct linger linger = { 1, 600 };
	static char text[65536];
	int control[2], client, pair, fd;
	struct hand_connection c;
	struct hand h, left;

	hand_init(&h);
	hand_init(&left);
	if (control_pair(control) != 0)
		return;
	client = add(&h, 0);
	(void)hand_send(&h, control[0], 0);
	pair = receive(control[1]);
	fd = peek(pair);
	is_int(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)),
	    0, "a copy of it is changed");
	while (send(fd, text, sizeof(text), MSG_DONTWAIT | MSG_NOSIGNAL) > 0)
		;
	close(fd);
	close(pair);
	ok(hand_look(&h, CLOCK_SEC) != CLOCK_NEVER && !hand_is_free(&h),
	    "it is not closed as long as the worker lives");
	alarm(10); /* or it would take ten minutes */
	ok(hand_take_back(&h, &c, 60 * CLOCK_SEC), "it is dead");
	is_int(hand_add(&left, &c), 0, "it is there for another");
	ok(!hand_take_back(&h, &c, 60 * CLOCK_SEC), "and nothing else");
	hand_close(&h);
	hand_close(&left);
	alarm(0);
	ok(hand_is_free(&left), "and can be closed");
	while (read(client, text, sizeof(text)) > 0)
		;
	is_int(errno, ECONNRESET, "by a reset");
	close(client);
	close(control[0]);
	close(control[1]);
}

static void
test_not_sent(void)
{
	int control[2], client, i, full = 0;
	struct hand_connection c;
	struct hand h, left;

	hand_init(&h);
	hand_init(&left);
	if (control_pair(control) != 0)
		return;
	client = add(&h, 0);
	close(control[1]);
	is_int(hand_send(&h, control[0], 0), -EPIPE, "the worker is gone");
	ok(!hand_is_free(&h) && !hand_has_room(&h), "it is still there");
	ok(hand_take_back(&h, &c, CLOCK_SEC), "and can be had back");
	is_int(hand_add(&left, &c), 0, "for another");
	hand_close(&h);
	close(client);
	for (i = 1; i < HAND_MAX; i++) {
		struct ends e = connection();

		c = (struct hand_connection){ .fd = e.ours };
		full += hand_add(&left, &c) != 0;
		close(e.client);
	}
	is_int(full, 0, "many can be added");
	ok(!hand_has_room(&left), "then it is full");
	hand_close(&left);
	close(control[0]);
}

/* The kernel closes a connection for which there is no descriptor. */
static void
test_no_descriptors(void)
{
	struct rlimit whole, none;
	struct hand_connection c;
	int client[2], lowest;
	struct hand h;

	hand_init(&h);
	client[0] = add(&h, 3);
	client[1] = add(&h, 4);
	(void)getrlimit(RLIMIT_NOFILE, &whole);
	lowest = dup(STDIN_FILENO);
	close(lowest);
	none = whole;
	none.rlim_cur = (rlim_t)lowest;
	(void)setrlimit(RLIMIT_NOFILE, &none);
	is_int(fd_spare(), -EMFILE, "there is no descriptor");
	ok(hand_take_back(&h, &c, CLOCK_SEC), "what is taken back then");
	(void)setrlimit(RLIMIT_NOFILE, &whole);
	ok(c.fd == -1 && c.listener == 3 && c.client.port == 4711,
	    "is lost, but known by its client");
	ok(hand_take_back(&h, &c, CLOCK_SEC) && c.fd >= 0 && c.listener == 4,
	    "and the next is not");
	close(c.fd);
	hand_close(&h);
	close(client[0]);
	close(client[1]);
}

/* It may be full, or ill-willed. */
static void
test_alive(void)
{
	int control[2], client[3], fds[CONTROL_FDS_MAX], pair;
	struct hand_connection c;
	struct control_msg msg;
	struct hand h;
	size_t n, i;

	hand_init(&h);
	if (control_pair(control) != 0)
		return;
	for (i = 0; i < 3; i++)
		client[i] = add(&h, (uint32_t)i);
	is_int(
	    hand_send(&h, control[0], CLOCK_SEC), 0, "a worker is sent three");
	pair = receive(control[1]);
	(void)hand_look(&h, CLOCK_SEC);
	ok(!hand_is_stuck(&h, 3 * CLOCK_SEC, 5 * CLOCK_SEC), "it has time");
	is_int(control_recv(pair, &msg, fds, &n), 1, "it takes one");
	close(fds[0]);
	(void)hand_look(&h, 4 * CLOCK_SEC);
	ok(!hand_is_stuck(&h, 8 * CLOCK_SEC, 5 * CLOCK_SEC),
	    "so it has time again");
	(void)hand_look(&h, 9 * CLOCK_SEC);
	ok(hand_is_stuck(&h, 9 * CLOCK_SEC, 5 * CLOCK_SEC),
	    "until it has taken none for so long");
	ok(hand_take_back(&h, &c, CLOCK_SEC) && c.fd >= 0 && c.listener == 1,
	    "the second can be had back");
	close(c.fd);
	is_int(control_recv(pair, &msg, fds, &n), 1, "it takes another now");
	ok(msg.listener == 2, "which is the third");
	close(fds[0]);
	ok(!hand_take_back(&h, &c, CLOCK_SEC), "so there is none for us");
	is_int(control_recv(pair, &msg, fds, &n), 0, "nor for it");
	is_int(hand_look(&h, 10 * CLOCK_SEC), CLOCK_NEVER, "all are gone");
	ok(hand_is_free(&h), "and it is closed");
	for (i = 0; i < 3; i++)
		close(client[i]);
	close(pair);
	close(control[0]);
	close(control[1]);
}

int
main(void)
{
	test_taken();
	test_spoiled();
	test_not_sent();
	/* The limit would be valgrind's, which takes no notice. */
	if (getenv("SNIPORT_VALGRIND") == NULL)
		test_no_descriptors();
	test_alive();
	return (done_testing());
}
