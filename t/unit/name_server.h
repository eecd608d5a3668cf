/* A name server on 127.0.0.1 that lives on the loop of who asks it. */
#ifndef T_UNIT_NAME_SERVER_H
#define T_UNIT_NAME_SERVER_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "common/net/hostname.h"
#include "worker/loop/loop.h"

#define MESSAGE_MAX 4096

/* A name server: what it does depends on the name it is asked for. */
struct name_server {
	struct loop *loop;
	struct loop_fd udp, listener, conn;
	uint16_t port;
	unsigned questions, tcp_questions;
	char last[HOSTNAME_SIZE];
	bool silent; /* answers nothing from now on */
	int rcode;   /* answers all with this, if not 0 */
};

struct message {
	uint8_t bytes[MESSAGE_MAX];
	size_t len;
};

static void
put16(struct message *m, unsigned value)
{
	m->bytes[m->len++] = (uint8_t)(value >> 8);
	m->bytes[m->len++] = (uint8_t)value;
}

/* A record of the name at that offset of the message. */
static void
put_rr(struct message *m, unsigned name, unsigned type, uint32_t ttl,
    const void *data, size_t len)
{
	put16(m, 0xc000 | name);
	put16(m, type);
	put16(m, 1);
	put16(m, ttl >> 16);
	put16(m, ttl & 0xffff);
	put16(m, (unsigned)len);
	memcpy(m->bytes + m->len, data, len);
	m->len += len;
	m->bytes[7]++; /* ANCOUNT */
}

static void
put_a(struct message *m, uint32_t ttl, unsigned last)
{
	const uint8_t ip[4] = { 192, 0, 2, (uint8_t)last };

	put_rr(m, 12, 1, ttl, ip, sizeof(ip));
}

static void
put_aaaa(struct message *m, uint32_t ttl, const char *text)
{
	uint8_t ip[16];

	if (inet_pton(AF_INET6, text, ip) == 1)
		put_rr(m, 12, 28, ttl, ip, sizeof(ip));
}

/* The text of the question's name; *type is its type, *end where it ends. */
static void
read_question(const struct message *q, char name[HOSTNAME_SIZE], unsigned *type,
    size_t *end)
{
	size_t at = 12, len = 0;

	while (at < q->len && q->bytes[at] != 0) {
		size_t label = q->bytes[at++];

		if (len != 0)
			name[len++] = '.';
		memcpy(name + len, q->bytes + at, label);
		len += label;
		at += label;
	}
	name[len] = '\0';
	*type = q->bytes[at + 2];
	*end = at + 5;
}

static bool
put_plain(struct message *m, const char *name, unsigned type)
{
	unsigned i;

	if (strcmp(name, "a.test") == 0 && type == 1) {
		put_a(m, 300, 1);
		put_a(m, 300, 2);
	} else if (strcmp(name, "a.test") == 0) {
		put_aaaa(m, 300, "2001:db8::1");
	} else if (strcmp(name, "zero.test") == 0) {
		put_a(m, 0, 3);
	} else if (strcmp(name, "wild.test") == 0) {
		put_a(m, 0x80000000, 3);
	} else if (strcmp(name, "twice.test") == 0) {
		put_a(m, 300, 4);
		put_a(m, 300, 5);
		put_a(m, 300, 4);
	} else if (strcmp(name, "mapped.test") == 0) {
		put_aaaa(m, 300, "::ffff:127.0.0.1");
	} else if (strcmp(name, "other.test") == 0) {
		put_a(m, 300, 6); /* whatever was asked for */
	} else if (strcmp(name, "other6.test") == 0) {
		put_aaaa(m, 300, "2001:db8::6");
	} else if (strcmp(name, "many.test") == 0) {
		for (i = 0; i < 40; i++)
			put_a(m, 300, i);
	} else {
		return (false);
	}
	return (true);
}

static void
put_cname(struct message *m)
{
	static const uint8_t rdata[] = { 4, 'r', 'e', 'a', 'l', 0 };
	const uint8_t ip[4] = { 192, 0, 2, 7 };
	unsigned target = (unsigned)m->len + 12;

	put_rr(m, 12, 5, 0, rdata, sizeof(rdata));
	put_rr(m, target, 1, 300, ip, sizeof(ip));
}

/* False: no answer is sent. */
static bool
make_answer(struct name_server *sv, const struct message *q, bool tcp,
    struct message *m)
{
	unsigned type;
	size_t end;

	read_question(q, sv->last, &type, &end);
	sv->questions++;
	sv->tcp_questions += tcp;
	memcpy(m->bytes, q->bytes, end);
	m->len = end;
	m->bytes[2] = 0x81;
	m->bytes[3] = (uint8_t)(0x80 | sv->rcode);
	memset(m->bytes + 6, 0, 6);
	if (sv->silent || strcmp(sv->last, "drop.test") == 0)
		return (false);
	if (sv->rcode != 0 || put_plain(m, sv->last, type))
		;
	else if (strcmp(sv->last, "cname.test") == 0)
		put_cname(m);
	else if (strcmp(sv->last, "nx.test") == 0)
		m->bytes[3] |= 3;
	else if (strcmp(sv->last, "servfail.test") == 0)
		m->bytes[3] |= 2;
	else if (strcmp(sv->last, "refused.test") == 0)
		m->bytes[3] |= 5;
	else if (strcmp(sv->last, "garbage.test") == 0)
		m->bytes[7] = 1; /* a record that is not there */
	else if (strcmp(sv->last, "forged.test") == 0)
		m->bytes[0] ^= 0xff;
	else if (strcmp(sv->last, "once.test") == 0 && sv->questions == 1)
		return (false);
	else if (strcmp(sv->last, "once.test") == 0)
		put_a(m, 300, 8);
	if (m->len > 512 && !tcp) {
		m->bytes[2] |= 2; /* TC */
		m->bytes[7] = 0;
		m->len = end;
	}
	return (true);
}

static void
udp_cb(struct loop_fd *lfd, uint32_t events)
{
	struct name_server *sv = container_of(lfd, struct name_server, udp);
	struct sockaddr_storage peer;
	socklen_t len = sizeof(peer);
	struct message q, m = { .len = 0 };
	ssize_t n;

	n = recvfrom(lfd->fd, q.bytes, sizeof(q.bytes), 0,
	    (struct sockaddr *)&peer, &len);
	if (n < 17)
		return;
	q.len = (size_t)n;
	if (make_answer(sv, &q, false, &m))
		(void)sendto(
		    lfd->fd, m.bytes, m.len, 0, (struct sockaddr *)&peer, len);
}

static void
conn_cb(struct loop_fd *lfd, uint32_t events)
{
	struct name_server *sv = container_of(lfd, struct name_server, conn);
	struct message q, m = { .len = 0 }, framed = { .len = 0 };
	int fd = lfd->fd;
	ssize_t n = recv(fd, q.bytes, sizeof(q.bytes), 0);

	if (n < 19) {
		loop_del(sv->loop, lfd);
		close(fd);
		return;
	}
	q.len = (size_t)n - 2;
	memmove(q.bytes, q.bytes + 2, q.len);
	if (!make_answer(sv, &q, true, &m))
		return;
	put16(&framed, (unsigned)m.len);
	memcpy(framed.bytes + 2, m.bytes, m.len);
	(void)send(fd, framed.bytes, m.len + 2, MSG_NOSIGNAL);
}

static void
listener_cb(struct loop_fd *lfd, uint32_t events)
{
	struct name_server *sv =
	    container_of(lfd, struct name_server, listener);
	int fd = accept4(lfd->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd == -1)
		return;
	if (sv->conn.fd != -1 ||
	    loop_add(sv->loop, &sv->conn, fd, EPOLLIN) != 0)
		close(fd);
}

static int
bind_loopback(int type, uint16_t port)
{
	struct sockaddr_in sin = {
		.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int fd = socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd != -1 && bind(fd, (struct sockaddr *)&sin, sizeof(sin)) == 0)
		return (fd);
	fd_close(&fd);
	return (-1);
}

/* One port for UDP and TCP: until one is free for both. */
static void
name_server_open(struct name_server *sv, struct loop *loop)
{
	struct sockaddr_in sin = { 0 };
	socklen_t len = sizeof(sin);
	int udp = -1, tcp = -1, i;

	memset(sv, 0, sizeof(*sv));
	for (i = 0; i < 100 && tcp == -1; i++) {
		fd_close(&udp);
		udp = bind_loopback(SOCK_DGRAM, 0);
		if (getsockname(udp, (struct sockaddr *)&sin, &len) == 0)
			tcp = bind_loopback(SOCK_STREAM, ntohs(sin.sin_port));
	}
	sv->loop = loop;
	sv->port = ntohs(sin.sin_port);
	sv->udp.cb = udp_cb;
	sv->listener.cb = listener_cb;
	sv->conn.cb = conn_cb;
	sv->conn.fd = -1;
	if (tcp == -1 || listen(tcp, 5) != 0 ||
	    loop_add(loop, &sv->udp, udp, EPOLLIN) != 0 ||
	    loop_add(loop, &sv->listener, tcp, EPOLLIN) != 0) {
		printf("Bail out! no name server\n");
		exit(1);
	}
}

static void
close_fd(struct loop *loop, struct loop_fd *lfd)
{
	int fd = lfd->fd;

	loop_del(loop, lfd);
	fd_close(&fd);
}

static void
name_server_close(struct name_server *sv)
{
	close_fd(sv->loop, &sv->udp);
	close_fd(sv->loop, &sv->listener);
	close_fd(sv->loop, &sv->conn);
}

#endif
