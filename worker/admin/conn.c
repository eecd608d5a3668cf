/* A connection of the HTTP server, from its request to its end. */
#include "worker/admin/conn.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "common/base/clock.h"
#include "common/base/fd.h"
#include "worker/admin/router.h"

/* For a request; and so long a peer may take nothing of its answer, */
#define PATIENCE (10 * CLOCK_SEC)
/* ... and be slow to close when it has all. */
#define GOODBYE CLOCK_SEC

/* Calls of exchange->more(). */
#define STEPS_PER_TURN 64

/* Room in front of the body for the head, or for a chunk's length; and behind
 * it, for what ends chunks. */
#define HEAD_ROOM 512
#define TAIL_ROOM 16

static void
free_later(struct loop_garbage *g)
{
	struct conn *c = container_of(g, struct conn, garbage);

	free(c->out);
	free(c);
}

static void
wait_until(struct conn *c, int64_t patience)
{
	struct loop *loop = c->door->server->loop;

	timer_arm(loop_timers(loop), &c->timer, loop_now(loop) + patience);
}

void
conn_drop(struct conn *c)
{
	struct server *s = c->door->server;
	int fd = c->fd.fd;

	if (c->gone)
		return;
	c->gone = true;
	if (c->exchange.done != NULL)
		c->exchange.done(&c->exchange);
	timer_cancel(loop_timers(s->loop), &c->timer);
	loop_undefer(s->loop, &c->task);
	loop_del(s->loop, &c->fd);
	fd_close(&fd);
	TAILQ_REMOVE(&s->conns, c, entry);
	c->door->nconns--;
	/* The door is opened again at once, by its own timer. */
	if (c->door->shut)
		timer_arm(
		    loop_timers(s->loop), &c->door->again, loop_now(s->loop));
	loop_free_later(s->loop, &c->garbage);
}

/* Puts the head of the answer in front of its first bytes. */
static void
write_head(struct conn *c)
{
	const struct exchange *e = &c->exchange;
	char head[HEAD_ROOM];
	struct text t = { head, 0, sizeof(head), false };

	c->chunked = !c->ended && c->request.chunks;
	text_put(&t, "HTTP/1.1 %d %s\r\nContent-Type: %s\r\n", e->status,
	    http_status_text(e->status), e->type);
	if (c->allow != NULL)
		text_put(&t, "Allow: %s\r\n", c->allow);
	if (c->ended)
		text_put(&t, "Content-Length: %zu\r\n", c->text.len);
	else if (c->chunked)
		text_put(&t, "Transfer-Encoding: chunked\r\n");
	text_put(&t, "Cache-Control: no-store\r\nConnection: close\r\n\r\n");
	if (c->chunked && c->text.len > 0 && !c->no_body)
		text_put(&t, "%zx\r\n", c->text.len);
	c->start = HEAD_ROOM - t.len;
	memcpy(c->out + c->start, head, t.len);
	c->begun = true;
}

static void
write_tail(struct conn *c)
{
	char *at = c->out + HEAD_ROOM + c->text.len;

	c->end = HEAD_ROOM + c->text.len;
	if (!c->chunked)
		return;
	if (c->text.len > 0) {
		memcpy(at, "\r\n", 2);
		at += 2;
	}
	if (c->ended) {
		memcpy(at, "0\r\n\r\n", 5);
		at += 5;
	}
	c->end = (size_t)(at - c->out);
}

/* A chunk that is not the first. */
static void
write_chunk(struct conn *c)
{
	char size[TAIL_ROOM];
	int n;

	c->start = HEAD_ROOM;
	if (!c->chunked || c->text.len == 0)
		return;
	n = snprintf(size, sizeof(size), "%zx\r\n", c->text.len);
	c->start -= (size_t)n;
	memcpy(c->out + c->start, size, (size_t)n);
}

/* Where there is much to look at and little to write, others have their turn
 * all the same. */
static void
make_more(struct conn *c)
{
	struct exchange *e = &c->exchange;
	enum exchange_step step = EXCHANGE_MORE;
	unsigned i;

	for (i = 0;
	     i < STEPS_PER_TURN && e->more != NULL && step == EXCHANGE_MORE &&
	     text_room(&c->text) >= EXCHANGE_ROOM;
	     i++)
		step = e->more(e);
	c->waiting = e->more != NULL && step == EXCHANGE_WAIT;
	c->ended = e->more == NULL || step == EXCHANGE_END;
}

/* Makes ready what was written. False: that cannot be, and the connection is
 * gone. */
static bool
pack(struct conn *c)
{
	/* Never a part that looks whole. */
	if (c->text.full) {
		conn_drop(c);
		return (false);
	}
	c->start = c->end = 0;
	/* Who has written nothing may yet choose the status. */
	if (c->text.len == 0 && !c->ended && (c->waiting || !c->begun))
		return (true);
	if (c->begun)
		write_chunk(c);
	else
		write_head(c);
	write_tail(c);
	if (c->no_body) {
		c->ended = true;
		c->end = HEAD_ROOM;
	}
	return (true);
}

static void
finish(struct conn *c)
{
	if (c->exchange.done != NULL)
		c->exchange.done(&c->exchange);
	c->exchange.done = NULL;
	c->phase = CONN_CLOSING;
	/* Bytes that are not read would turn our end into a reset. */
	(void)shutdown(c->fd.fd, SHUT_WR);
	(void)loop_mod(c->door->server->loop, &c->fd, EPOLLIN | EPOLLRDHUP);
	wait_until(c, GOODBYE);
}

/* Sends what there is. False: the peer is gone, or has no room for more. */
static bool
send_out(struct conn *c)
{
	ssize_t n;

	while (c->start < c->end) {
		n = fd_send(c->fd.fd, c->out + c->start, c->end - c->start);
		if (n == -EAGAIN || n == -EINTR) {
			(void)loop_mod(c->door->server->loop, &c->fd, EPOLLOUT);
			return (false);
		}
		if (n < 0) {
			conn_drop(c);
			return (false);
		}
		c->start += (size_t)n;
		wait_until(c, PATIENCE);
	}
	return (true);
}

/* One buffer in a turn: a long answer is not to keep others waiting. */
static void
go_on(struct conn *c)
{
	struct loop *loop = c->door->server->loop;

	if (!send_out(c))
		return;
	if (c->ended) {
		finish(c);
		return;
	}
	if (c->waiting) {
		timer_cancel(loop_timers(loop), &c->timer);
		(void)loop_mod(loop, &c->fd, 0);
		return;
	}
	c->text.len = 0;
	make_more(c);
	if (pack(c))
		loop_defer(loop, &c->task);
}

static void
task_cb(struct loop_task *t)
{
	go_on(container_of(t, struct conn, task));
}

static void
wake_cb(struct exchange *e)
{
	struct conn *c = container_of(e, struct conn, exchange);

	if (!c->waiting || c->gone)
		return;
	c->waiting = false;
	wait_until(c, PATIENCE);
	loop_defer(c->door->server->loop, &c->task);
}

static void
begin_answer(struct conn *c)
{
	c->phase = CONN_ANSWERING;
	c->text = (struct text){ c->out + HEAD_ROOM, 0,
		CONN_OUT_SIZE - HEAD_ROOM - TAIL_ROOM, false };
	c->exchange = (struct exchange){
		.admin = c->door->server->admin,
		.request = &c->request,
		.on_control = c->door->control,
		.status = 200,
		.type = EXCHANGE_TEXT,
		.out = &c->text,
		.wake = wake_cb,
	};
	wait_until(c, PATIENCE);
}

/* Sends what the handler has written, and what follows. */
static void
begin_sending(struct conn *c)
{
	make_more(c);
	if (pack(c))
		go_on(c);
}

static void
refuse(struct conn *c, int status)
{
	c->out = malloc(CONN_OUT_SIZE);
	if (c->out == NULL) {
		conn_drop(c);
		return;
	}
	begin_answer(c);
	exchange_say(&c->exchange, status, "%s", http_status_text(status));
	begin_sending(c);
}

static void
answer(struct conn *c)
{
	socklen_t len = sizeof(c->exchange.peer);

	c->out = malloc(CONN_OUT_SIZE);
	if (c->out == NULL) {
		conn_drop(c);
		return;
	}
	begin_answer(c);
	c->no_body = piece_is(c->request.method, "HEAD");
	c->exchange.peer = (struct ucred){ -1, (uid_t)-1, (gid_t)-1 };
	if (c->door->control)
		(void)getsockopt(
		    c->fd.fd, SOL_SOCKET, SO_PEERCRED, &c->exchange.peer, &len);
	router_answer(&c->exchange, &c->allow);
	begin_sending(c);
}

static void
read_request(struct conn *c)
{
	ssize_t n =
	    fd_recv(c->fd.fd, c->in + c->in_len, sizeof(c->in) - c->in_len);
	int status;

	if (n == -EAGAIN || n == -EINTR)
		return;
	if (n <= 0) {
		conn_drop(c);
		return;
	}
	c->in_len += (size_t)n;
	status = http_read(&c->request, c->in, c->in_len);
	if (status == 0)
		answer(c);
	else if (status != -EAGAIN)
		refuse(c, status);
}

/* Reads what the peer still sends, until it closes. */
static void
read_rest(struct conn *c)
{
	ssize_t n = fd_recv(c->fd.fd, c->in, sizeof(c->in));

	if (n == 0 || (n < 0 && n != -EAGAIN && n != -EINTR))
		conn_drop(c);
}

static void
conn_cb(struct loop_fd *lfd, uint32_t events)
{
	struct conn *c = container_of(lfd, struct conn, fd);

	switch (c->phase) {
	case CONN_READING:
		read_request(c);
		break;
	case CONN_ANSWERING:
		if ((events & (EPOLLHUP | EPOLLERR)) != 0)
			conn_drop(c);
		else
			go_on(c);
		break;
	case CONN_CLOSING:
		read_rest(c);
		break;
	}
}

static void
timer_cb(struct timer *t)
{
	struct conn *c = container_of(t, struct conn, timer);

	if (c->phase == CONN_READING && c->in_len > 0)
		refuse(c, 408);
	else
		conn_drop(c);
}

int
conn_new(struct door *door, int fd)
{
	struct conn *c = calloc(1, sizeof(*c));
	int error = -ENOMEM;

	if (c == NULL)
		goto fail;
	c->door = door;
	c->fd = (struct loop_fd){ .fd = -1, .cb = conn_cb };
	c->task.cb = task_cb;
	c->garbage.free = free_later;
	timer_init(&c->timer, timer_cb);
	error = loop_add(door->server->loop, &c->fd, fd, EPOLLIN);
	if (error != 0)
		goto fail;
	TAILQ_INSERT_TAIL(&door->server->conns, c, entry);
	door->nconns++;
	wait_until(c, PATIENCE);
	return (0);
fail:
	free(c);
	fd_close(&fd);
	return (error);
}
