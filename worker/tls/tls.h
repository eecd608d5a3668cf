/*
 * TLS sessions with clients, in the manner of a socket: sizes or -errno come
 * back, error text is inside, and no caller sees OpenSSL.
 */
#ifndef WORKER_TLS_TLS_H
#define WORKER_TLS_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/policy/identity.h"
#include "common/reason.h"
#include "worker/loop/buffer.h"

struct ssl_ctx_st;
struct tls;
struct tls_context;

/* What the hello callback answers: 0, or the fatal alert to send. */
enum tls_alert {
	TLS_ALERT_NONE = 0,
	TLS_ALERT_ILLEGAL_PARAMETER = 47,
	TLS_ALERT_ACCESS_DENIED = 49,
	TLS_ALERT_DECODE_ERROR = 50,
	TLS_ALERT_INTERNAL_ERROR = 80,
	TLS_ALERT_UNRECOGNIZED_NAME = 112
};

/*
 * Called while the ClientHello is read: reason is NONE (tls_server_name() has
 * the raw name), SNI_MISSING, SNI_MALFORMED, or, after a HelloRetryRequest,
 * SNI_CHANGED; NO_MEMORY. If it answers with an alert, reason is to say why, and
 * tls_failure() repeats it. Not called again for a second hello with the same
 * name.
 */
typedef enum tls_alert tls_hello_cb(void *arg, enum reason *);

/* Bytes of a client before its handshake ends. */
struct tls_bounds {
	uint64_t hello; /* its hello, or both after a HelloRetryRequest */
	uint64_t rest;	/* behind that */
};

/*
 * Sets the callbacks on a context that the master made; once per worker,
 * after the fork. ctx and buffers are borrowed. 0 or -ENOMEM.
 */
int tls_context_new(struct tls_context **, struct ssl_ctx_st *ctx,
    const struct tls_bounds *, struct buffers *, tls_hello_cb *);
void tls_context_free(struct tls_context *);

/* For how long, in ns, a client that showed its certificate need not do so
 * again in order to resume its session; 0 unless it is set. */
void tls_context_trust(struct tls_context *, int64_t lifetime);

/*
 * What a block must hold beyond a chunk of that size: the frames of all its
 * records when it is sealed, at worst, with what may be in front and behind; or
 * the rest of a record that an earlier chunk began.
 */
size_t tls_slack(size_t chunk);

/* A session on the connected, non-blocking socket fd, which stays the
 * caller's. 0 or -ENOMEM. */
int tls_new(struct tls **, struct tls_context *, int fd, void *arg);

/* Frees the session without a word to the peer. */
void tls_free(struct tls *);

/*
 * Goes on with the handshake. 0: done; a ticket of TLS 1.3 waits for the first
 * bytes that are sent. -EAGAIN: wait for the socket (for writing if
 * tls_unsent(), else for reading). -EPROTO: failed, tls_failure() and
 * tls_error() say why, tls_alerted() whether the client hears of it. -EPIPE:
 * the client ended its stream. Other -errno: the socket's.
 */
int tls_handshake(struct tls *);

/* Before a reset of a client whose handshake is done: it gets its ticket now,
 * if it has had no byte so far. */
void tls_part(struct tls *);

/* Why tls_handshake() gave -EPROTO; REASON_TLS_HANDSHAKE in general. */
enum reason tls_failure(const struct tls *);

/*
 * It gave -EPROTO, and a fatal alert says so to the client. False where no
 * alert may: a client that has our Finished already passes an alert on as a
 * clean end (Envoy 1.40), so it is to see a reset and nothing before it.
 */
bool tls_alerted(const struct tls *);

/*
 * One receive of at most a chunk; all records that it completes are opened into
 * buf, which holds size bytes, at least a block's. > 0: bytes; 0: the client's
 * close_notify; -EAGAIN; -EPIPE: end of the stream without close_notify, never
 * an error of the socket; -ECONNABORTED: the same in the middle of a record, so
 * that something is missing for certain; -EPROTO: tls_error() says what, and no
 * alert is sent, which some clients take for a clean end; -EOVERFLOW: too many
 * records without data; -EDQUOT: too many answers that the client does not
 * read; other -errno: the socket's.
 */
ssize_t tls_receive(struct tls *, uint8_t *buf, size_t size);

/*
 * True: the last receive, or handshake, left nothing to open and the socket
 * empty: wait for epoll. False: there is more to do, after others. more: epoll
 * has told already what may stand behind the bytes, such as the end of the
 * stream, so that a receive which brought fewer than it could is not the last.
 */
bool tls_drained(const struct tls *, bool more);

/* What the last receive cost, that brought len bytes: not less than len. Many
 * small records, or much padding, are more work than their bytes tell. */
size_t tls_cost(const struct tls *, size_t len);

/*
 * Seals and sends len bytes, at most a chunk: all of them or none. len;
 * -EAGAIN while earlier bytes are unsent; -EPROTO; other -errno.
 */
ssize_t tls_send(struct tls *, const uint8_t *buf, size_t len);

/* Sends what is sealed and unsent. 0: nothing is left; -EAGAIN; -errno. */
int tls_flush(struct tls *);

/* What a send, in whatever function, was told of the socket, as -errno; 0:
 * nothing. The kernel tells it once, and shows an end of stream then. */
int tls_socket_error(const struct tls *);
bool tls_unsent(const struct tls *);

/*
 * Seals close_notify, once, and sends what can be sent. 0; -EAGAIN: what is
 * sealed must be flushed first, call again; other -errno.
 */
int tls_finish(struct tls *);

/* Has no byte come? Of a session whose handshake has not succeeded. */
bool tls_silent(const struct tls *);

/* How many bytes close_notify took, which were the last; 0: it was not sealed. */
size_t tls_goodbye(const struct tls *);

/* The raw bytes of the server name, borrowed; NULL: none came. */
const uint8_t *tls_server_name(const struct tls *, size_t *len);

/*
 * The names of the client's certificate, verified in this handshake or in the
 * one that is resumed, and no worse since: its SPIFFE id, then its DNS names.
 * To be called once the handshake is done. 0 with *n names, borrowed until
 * tls_free(), none where there is no such certificate; -ENOMEM; -EINVAL: it
 * must not pass for anybody's.
 */
int tls_identities(struct tls *, const struct identity **, size_t *n);

/* Has the client a certificate, of whatever names, that was so verified? */
bool tls_verified(const struct tls *);

/* Once the handshake is done: 0x0304 for TLS 1.3, and a static string. */
unsigned tls_version(const struct tls *);
const char *tls_cipher(const struct tls *);
bool tls_resumed(const struct tls *);

/* The text of the last -EPROTO, "" where there was none; borrowed. */
const char *tls_error(const struct tls *);

#endif
