/*
 * The service manager's descriptor store: listening sockets that it keeps while
 * sniport is started again, so that nobody who connects meanwhile is refused.
 *
 * Each is put there under a name that says which group it belongs to and where
 * it stands in the kernel's list (see group.h); whoever takes it up again needs
 * both.
 */
#ifndef MASTER_FDSTORE_H
#define MASTER_FDSTORE_H

#include <stdbool.h>
#include <stddef.h>

struct notify;

struct fdstore_name {
	unsigned serial; /* of the group, from 1 on */
	size_t place;
	bool dual_stack; /* which a socket without IPv6 does not tell */
};

#define FDSTORE_NAME_SIZE 64

struct fdstore {
	const struct notify *notify;
	size_t max; /* so many are kept; 0: none */
	/* To be taken out, where the manager was too busy to hear it. */
	struct fdstore_name *gone;
	size_t ngone;
};

/* Reads FDSTORE and removes it from the environment. The manager is borrowed.
 * Never fails: nothing is kept then. */
void fdstore_open(struct fdstore *, const struct notify *);
void fdstore_close(struct fdstore *);

/* "sniport-3-0", and "sniport-3-0-dual"; reading takes nothing else. */
void fdstore_write(const struct fdstore_name *, char text[FDSTORE_NAME_SIZE]);
bool fdstore_read(struct fdstore_name *, const char *text, size_t len);

/*
 * Has the manager keep a copy of fd under that name, which is not in use. 0, or
 * -errno: -EAGAIN if it is busy, and is to be asked again.
 */
int fdstore_put(struct fdstore *, const struct fdstore_name *, int fd);

/* Has it close what it keeps under that name; if it is busy, later. */
void fdstore_drop(struct fdstore *, const struct fdstore_name *);

/* Sends what could not be sent. 0, or -EAGAIN: there is still something. */
int fdstore_flush(struct fdstore *);

#endif
