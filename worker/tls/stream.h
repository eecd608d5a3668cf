/*
 * The stream of a TLS session whose handshake is done: what comes is opened,
 * what goes is sealed, and what came of it is told as for a socket.
 */
#ifndef WORKER_TLS_STREAM_H
#define WORKER_TLS_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "worker/loop/buffer.h"
#include "worker/loop/io.h"

struct tls_stream;

/*
 * What a block must hold beyond a chunk of that size: the frames of all its
 * records when it is sealed, at worst, with what may be in front and behind; or
 * the rest of a record that an earlier chunk began.
 */
size_t tls_slack(size_t chunk);

/* Frees the session without a word to the peer. NULL is let pass. */
void tls_stream_free(struct tls_stream *);

/* Before a reset: the client gets its ticket now, if it has had no byte so
 * far. */
void tls_part(struct tls_stream *);

/*
 * One receive of at most a chunk; all records that it completes are opened into
 * buf, which holds size bytes, at least a block's. DONE or WAIT_READ with
 * bytes; WAIT_READ or TURN without; END: the client's close_notify; CUT: the
 * end of the stream without close_notify, never an error of the socket. BROKEN:
 * -ECONNABORTED: as CUT, in the middle of a record, so that something is
 * missing for certain; -EPROTO: why says what, and no alert is sent, which some
 * clients take for a clean end; -EOVERFLOW: too many records without data;
 * -EDQUOT: too many answers that the client does not read; -ENOMEM; other
 * -errno: the socket's. Many small records, or much padding, cost more than
 * their bytes. behind: as for tls_handshake_run().
 */
struct io tls_receive(
    struct tls_stream *, uint8_t *buf, size_t size, bool behind);

/*
 * The last receive, or handshake, left nothing to open and the socket
 * empty. more: epoll has told already of what may stand behind the bytes, so
 * that a receive which brought fewer than it could is not the last.
 */
bool tls_drained(const struct tls_stream *, bool more);

/*
 * Seals and sends len bytes, at most a chunk: all of them or none. DONE;
 * WAIT_WRITE, with them or while earlier bytes are unsent; BROKEN: -EPROTO or
 * another -errno.
 */
struct io tls_send(struct tls_stream *, const uint8_t *buf, size_t len);

/* Sends what is sealed and unsent. DONE: nothing is left; WAIT_WRITE;
 * BROKEN. */
struct io tls_flush(struct tls_stream *);

/*
 * Seals close_notify, once, and sends what can be sent. DONE, with the bytes
 * that it took, which are the last, and which may wait for the FIN: shutdown(2)
 * is to follow; WAIT_WRITE: what is sealed must be flushed first, call again;
 * BROKEN.
 */
struct io tls_finish(struct tls_stream *);

#endif
