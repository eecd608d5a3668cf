/* Helpers for file descriptors. */
#ifndef COMMON_BASE_FD_H
#define COMMON_BASE_FD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Closes *fd if it is not -1 and sets it to -1. errno is kept. */
void fd_close(int *fd);

/* Closes all but the standard streams and those n, which it sorts; -1 is none.
 * 0 or -errno, with as much closed as could be. */
int fd_close_others(int *keep, size_t n);

/*
 * Can it be used only to append? That is true of a file that was opened for
 * appending and not for reading, and of a pipe that was not opened for reading.
 * What has neither contents nor a position (terminal, /dev/null, socket) counts
 * as well.
 */
bool fd_only_appends(int fd);

/*
 * One recv(2) or send(2) on a non-blocking socket, the latter without SIGPIPE.
 * Size (0 of fd_recv(): the end) or -errno; -EAGAIN where nothing was sent.
 * Linux does not interrupt a call that does not wait. Should it be interrupted
 * all the same, it is tried again some times, then the answer is -EINTR.
 */
ssize_t fd_recv(int fd, void *buf, size_t size);
ssize_t fd_send(int fd, const void *buf, size_t len);

/* As fd_send(), for what shutdown(2) follows at once: it goes in one segment
 * with the FIN. */
ssize_t fd_send_last(int fd, const void *buf, size_t len);

/* Reads until the end of the file or until buf is full: how much that is, or
 * -errno. */
ssize_t fd_read_full(int fd, void *buf, size_t size);

/*
 * Reads a whole file of at most max bytes. 0 with *data (NUL-terminated,
 * owned by the caller) and *len, or -errno: -EFBIG beyond max, -EISDIR, or
 * -EMEDIUMTYPE: it is neither a regular file nor a directory. It never waits,
 * as for the writer of a pipe.
 */
int fd_slurp(const char *path, size_t max, char **data, size_t *len);

/* What such an error says; static. */
const char *fd_slurp_text(int error);

/*
 * Sets the options of a tunnel's TCP socket, or of a listener, whose accepted
 * sockets inherit them (Linux). No delay; urgent bytes in line, so that they
 * are not lost. SO_LINGER of 0 seconds: the end is a reset unless
 * fd_end_on_close() was called, since a worker that crashes must not make a cut
 * stream look whole. 0, or -errno with *step (may be NULL) set to the option's
 * name, static.
 */
int fd_tunnel_options(int fd, const char **step);

/*
 * Has keep-alive find a peer dead after so many ns of silence, those before the
 * call included, while no bytes to it are unacknowledged. Probes are sent from
 * half of that time on; the kernel counts in seconds. On a listener it holds
 * for sockets accepted from now on. 0 or -errno.
 */
int fd_keepalive(int fd, int64_t silence);

/*
 * What errno says of a TCP connection that was established, as -errno:
 * -ECONNRESET where somebody ended it; others: it was lost. Never -EPIPE,
 * -EPROTO, -EOVERFLOW or -ECONNABORTED, by which tunnels tell what TLS found.
 * Pure.
 */
int fd_connection_error(int error);

/* Could one more descriptor be had? 0 or -errno. A descriptor that comes in a
 * message, and for which there is no room, is closed by the kernel. */
int fd_spare(void);

/* All went well: close(2) ends the stream and sends what is unsent. */
void fd_end_on_close(int fd);

#endif
