/*
 * A connection of the HTTP server: answers that are longer than its memory,
 * that wait, that nobody reads to the end, or that are not ready.
 */
#include "worker/admin/conn.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "t/unit/tap.h"
#include "worker/admin/router.h"

#define PIECE  ((size_t)10000)
#define PIECES 100

/* What the one that answers is to do, and has done. */
static struct {
	unsigned written, done;
	unsigned looks; /* that find nothing to write at first */
	bool wait, overflow;
	struct exchange *waiting;
} handler;

static enum exchange_step
more(struct exchange *e)
{
	char piece[PIECE];

	if (handler.wait) {
		handler.wait = false;
		handler.waiting = e;
		return (EXCHANGE_WAIT);
	}
	if (handler.looks > 0) {
		handler.looks--;
		return (EXCHANGE_MORE);
	}
	if (handler.waiting != NULL && handler.written == 0)
		e->status = 409;
	memset(piece, 'a' + (int)(handler.written % 26), sizeof(piece));
	text_add(e->out, piece, sizeof(piece));
	if (handler.overflow && handler.written == PIECES / 2)
		while (!e->out->full)
			text_add(e->out, piece, sizeof(piece));
	return (++handler.written < PIECES ? EXCHANGE_MORE : EXCHANGE_END);
}

static void
done(struct exchange *e)
{
	handler.done++;
}

/* In the place of the router's. */
void
router_answer(struct exchange *e, const char **allow)
{
	*allow = NULL;
	e->more = more;
	e->done = done;
}

static struct peer {
	struct loop *loop;
	struct server server;
	struct loop_fd fd;
	char got[2 * PIECE * PIECES], body[2 * PIECE * PIECES];
	size_t len;
	unsigned turns;
	bool leaves; /* while it is to wait */
} peer;

static void
leave(void)
{
	int fd = peer.fd.fd;

	if (fd == -1)
		return;
	loop_del(peer.loop, &peer.fd);
	close(fd);
}

/* Reads little, once a turn. */
static void
peer_cb(struct loop_fd *lfd, uint32_t events)
{
	ssize_t n = recv(lfd->fd, peer.got + peer.len, 4096, MSG_DONTWAIT);

	if (n > 0)
		peer.len += (size_t)n;
	else if (n == 0 || errno != EAGAIN)
		leave();
}

static void
turn(void *arg)
{
	peer.turns++;
	if (handler.waiting != NULL && handler.written == 0 &&
	    handler.done == 0) {
		if (peer.leaves)
			leave();
		else
			exchange_wake(handler.waiting);
	}
	if (peer.fd.fd == -1 && server_is_empty(&peer.server))
		loop_stop(peer.loop);
}

static void
run(const char *request)
{
	int pair[2];

	handler.written = handler.done = 0;
	handler.waiting = NULL;
	peer.len = 0;
	peer.turns = 0;
	peer.fd = (struct loop_fd){ .fd = -1, .cb = peer_cb };
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) != 0 ||
	    loop_new(&peer.loop) != 0 ||
	    server_start(&peer.server, NULL, peer.loop, -1, -1) != 0 ||
	    conn_new(&peer.server.operator, pair[1]) != 0 ||
	    loop_add(peer.loop, &peer.fd, pair[0], EPOLLIN) != 0 ||
	    write(pair[0], request, strlen(request)) < 0)
		exit(1);
	(void)loop_run(peer.loop, turn, NULL);
	server_stop(&peer.server);
	loop_free(peer.loop);
	peer.got[peer.len] = '\0';
}

/* Is what the chunks hold all of the pieces, and their end there? */
static bool
is_whole(const char *at)
{
	size_t len = 0, i, size;
	char *end;

	for (;;) {
		size = strtoul(at, &end, 16);
		if (end == at || strncmp(end, "\r\n", 2) != 0)
			return (false);
		if (size == 0)
			break;
		if ((size_t)(peer.got + peer.len - end) < size + 4)
			return (false);
		memcpy(peer.body + len, end + 2, size);
		len += size;
		at = end + 2 + size + 2;
	}
	for (i = 0; i < len; i++)
		if (peer.body[i] != 'a' + (int)(i / PIECE % 26))
			return (false);
	return (len == PIECE * PIECES && strcmp(end, "\r\n\r\n") == 0);
}

#define REQUEST(version) "GET / HTTP/" version "\r\nHost: a\r\n\r\n"

int
main(void)
{
	const char *body;
	unsigned turns;

	clock_init();
	run(REQUEST("1.1"));
	body = strstr(peer.got, "\r\n\r\n");
	ok(strstr(peer.got, "Transfer-Encoding: chunked\r\n") != NULL,
	    "a long answer comes in chunks");
	ok(body != NULL && is_whole(body + 4), "all of it");
	is_int(handler.done, 1, "and who answers is told");

	run(REQUEST("1.0"));
	body = strstr(peer.got, "\r\n\r\n");
	ok(body != NULL && strstr(peer.got, "chunked") == NULL &&
		strlen(body + 4) == PIECE * PIECES,
	    "one who knows no chunks has it until its end");

	run("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
	body = strstr(peer.got, "\r\n\r\n");
	ok(body != NULL && body[4] == '\0', "HEAD has none of it");
	is_int(handler.done, 1, "and who answers is told");

	run(REQUEST("1.1"));
	turns = peer.turns;
	handler.looks = 10000;
	run(REQUEST("1.1"));
	body = strstr(peer.got, "\r\n\r\n");
	ok(body != NULL && is_whole(body + 4),
	    "one that looks for long before it writes is whole");
	ok(peer.turns > turns + 100, "and lets others have their turns");

	handler.wait = true;
	run(REQUEST("1.1"));
	ok(strncmp(peer.got, "HTTP/1.1 409 ", 13) == 0,
	    "who waits may choose the status later");
	body = strstr(peer.got, "\r\n\r\n");
	ok(body != NULL && is_whole(body + 4), "and writes as much");

	handler.wait = peer.leaves = true;
	run(REQUEST("1.1"));
	is_int(handler.done, 1, "who waits is told that the peer is gone");
	is_int(peer.len, 0, "nothing was written");
	peer.leaves = false;

	handler.overflow = true;
	run(REQUEST("1.1"));
	body = strstr(peer.got, "\r\n\r\n");
	ok(body != NULL && !is_whole(body + 4),
	    "an answer that has no room is cut, and looks so");
	is_int(handler.done, 1, "and who answers is told");
	return (done_testing());
}
