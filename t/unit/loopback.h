/* Listeners on the loopback interface, and many who connect to one. */
#ifndef T_UNIT_LOOPBACK_H
#define T_UNIT_LOOPBACK_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/conf/conf.h"
#include "common/net/addr.h"
#include "master/group.h"

#define LOOPBACK_CLIENTS 40
#define LOOPBACK_SOCKETS 8 /* of a listener, at most */

/* A port that was free a moment ago. */
static uint16_t
free_port(void)
{
	struct sockaddr_in sin = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(sin);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (bind(fd, (struct sockaddr *)&sin, len) != 0 ||
	    getsockname(fd, (struct sockaddr *)&sin, &len) != 0)
		abort();
	close(fd);
	return (ntohs(sin.sin_port));
}

static struct conf_listener
on_loopback(uint16_t port)
{
	static char name[] = "127.0.0.1:port";

	return ((struct conf_listener){ .address = name,
	    .addr = {
		.family = AF_INET, .port = port, .ip = { 127, 0, 0, 1 } } });
}

/* LOOPBACK_CLIENTS connect; accepts all, and counts what came to each socket.
 * Returns the sum; -1: nobody listens. */
static int
connect_many(const struct group *g, int came[LOOPBACK_SOCKETS])
{
	struct sockaddr_storage ss;
	socklen_t len = addr_to_sockaddr(&g->at.addr, &ss);
	struct pollfd pfd[LOOPBACK_SOCKETS];
	int clients[LOOPBACK_CLIENTS], fd, sum = 0;

	memset(came, 0, LOOPBACK_SOCKETS * sizeof(*came));
	for (int i = 0; i < LOOPBACK_CLIENTS; i++) {
		clients[i] = socket(AF_INET, SOCK_STREAM, 0);
		if (connect(clients[i], (struct sockaddr *)&ss, len) != 0)
			return (-1);
	}
	for (size_t i = 0; i < g->nfds; i++)
		pfd[i] = (struct pollfd){ .fd = g->fds[i], .events = POLLIN };
	while (sum < LOOPBACK_CLIENTS && poll(pfd, g->nfds, 5000) > 0) {
		for (size_t i = 0; i < g->nfds; i++) {
			fd = accept(g->fds[i], NULL, NULL);
			if (fd < 0)
				continue;
			close(fd);
			came[i]++;
			sum++;
		}
	}
	for (int i = 0; i < LOOPBACK_CLIENTS; i++)
		close(clients[i]);
	return (sum);
}

#endif
