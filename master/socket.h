/* One listening socket, and the steering of a group of them. */
#ifndef MASTER_SOCKET_H
#define MASTER_SOCKET_H

#include <stdbool.h>
#include <stddef.h>

#include "common/net/addr.h"

/*
 * Opens a listening socket in the SO_REUSEPORT group of the address: non-
 * blocking, close-on-exec; freebind: though this host does not have the
 * address. Accepted sockets inherit TCP_NODELAY and keep-alive from it, which
 * saves a worker five system calls per connection. Returns the descriptor,
 * owned, or -errno with *step set to what failed.
 */
int socket_listen(
    const struct addr *, bool dual_stack, bool freebind, const char **step);

/*
 * Does somebody else listen there? SO_REUSEPORT would share the port with any
 * process of our uid, a second sniport for one. 0: no; -EADDRINUSE: yes; other
 * -errno: nobody can listen there.
 */
int socket_probe(const struct addr *, bool dual_stack, bool freebind);

/*
 * Could a listener be bound there? By the side of those that our own user has,
 * which a sniport that runs has bound. No client is taken. 0, or -errno with
 * *step set.
 */
int socket_try(
    const struct addr *, bool dual_stack, bool freebind, const char **step);

/* What to do about it, to be appended to an error of these: buf, or static; ""
 * where there is no advice. */
#define SOCKET_ADVICE_SIZE 192
const char *socket_advice(const struct addr *, bool dual_stack, int error,
    char buf[SOCKET_ADVICE_SIZE]);

/* Does it (still) listen? */
bool socket_listens(int fd);

/* Has one listen that was bound. 0 or -errno. */
int socket_again(int fd);

/*
 * Sends new connections of the socket's group, at random, to those of its
 * sockets that have these places in the kernel's list only; n = 0: to all, as
 * the kernel has it. 0 or -errno.
 */
int socket_steer(int fd, const size_t *places, size_t n);

#endif
