/*
 * What the service manager is told (sd_notify(3)): one datagram per message,
 * written by hand so that no library is needed for it.
 */
#ifndef MASTER_NOTIFY_H
#define MASTER_NOTIFY_H

#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

struct notify {
	int fd; /* -1: nobody listens */
	struct sockaddr_un to;
	socklen_t to_len;
	int64_t watchdog; /* ns, WATCHDOG_USEC; 0: not wanted */
};

/*
 * Reads NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID and removes them from
 * the environment. Never fails: without a service manager all messages go
 * nowhere.
 */
void notify_open(struct notify *);
/* The same with what another program has read there: to, to_len and watchdog
 * are set. */
void notify_adopt(struct notify *);
void notify_close(struct notify *);

/* Sends assignments, one per line. A message that cannot be sent is lost. */
void notify_send(const struct notify *, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* The same with a copy of a descriptor, or without one (-1). 0, or -errno:
 * -EAGAIN or -ENOBUFS if the manager is too busy now. */
int notify_pass(const struct notify *, int fd, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#endif
