/* The name server of the load generator. */
#include "t/bench/load/names.h"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <err.h>
#include <string.h>

#include "t/bench/load/loop.h"

#define MESSAGE_SIZE 512
#define HEADER_SIZE  12
#define TYPE_A	     1

/*
 * Turns a question into its answer: the name as it stands, no additional
 * records, and for other types than A no record at all. Returns its length.
 */
static size_t
answer(uint8_t *m, size_t len, size_t size)
{
	static const uint8_t record[] = { 0xc0, HEADER_SIZE, 0, TYPE_A, 0, 1, 0,
		0, 0x0e, 0x10, 0, 4, 127, 0, 0, 1 };
	size_t i = HEADER_SIZE;
	bool a;

	while (i < len && m[i] != 0)
		i += (size_t)m[i] + 1;
	i += 5;
	if (i > len || i + sizeof(record) > size)
		return (0);
	a = m[i - 4] == 0 && m[i - 3] == TYPE_A;
	m[2] = 0x85; /* an answer of who knows, to who wants more */
	m[3] = 0x80;
	memset(m + 6, 0, HEADER_SIZE - 6);
	m[7] = a ? 1 : 0;
	if (a)
		memcpy(m + i, record, sizeof(record));
	return (a ? i + sizeof(record) : i);
}

static void
names_ready(struct watch *w, uint32_t events)
{
	struct sockaddr_in from;
	socklen_t from_len = sizeof(from);
	uint8_t m[MESSAGE_SIZE];
	ssize_t n;
	size_t len;

	n = recvfrom(w->fd, m, sizeof(m), MSG_DONTWAIT,
	    (struct sockaddr *)&from, &from_len);
	if (n < HEADER_SIZE)
		return;
	len = answer(m, (size_t)n, sizeof(m));
	if (len > 0)
		(void)sendto(
		    w->fd, m, len, 0, (struct sockaddr *)&from, from_len);
}

uint16_t
names_open(void)
{
	struct watch *w = must_calloc(1, sizeof(*w));
	struct sockaddr_in sin = loopback(0);
	socklen_t len = sizeof(sin);

	w->ready = names_ready;
	w->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (w->fd == -1 || bind(w->fd, (struct sockaddr *)&sin, len) == -1 ||
	    getsockname(w->fd, (struct sockaddr *)&sin, &len) == -1)
		err(1, "name server");
	watch_add(w, EPOLLIN);
	return (ntohs(sin.sin_port));
}
