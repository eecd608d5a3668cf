/*
 * TLS sessions with clients: what came of an operation is told as for a socket,
 * error text is inside, and no caller sees OpenSSL.
 */
#ifndef WORKER_TLS_TLS_H
#define WORKER_TLS_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/policy/identity.h"
#include "common/reason.h"
#include "worker/loop/buffer.h"
#include "worker/loop/io.h"

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
 * Goes on with the handshake. DONE; a ticket of TLS 1.3 waits for the first
 * bytes that are sent. WAIT_READ, WAIT_WRITE, TURN. CUT: the client ended its
 * stream. BROKEN with -EPROTO: failed, tls_failure() and tls_error() say why,
 * tls_alerted() whether the client hears of it; with another -errno: the
 * socket's. behind: epoll has told already of what may stand behind the bytes,
 * such as the end of the stream, and will not again.
 */
struct io tls_handshake(struct tls *, bool behind);

/* Before a reset of a client whose handshake is done: it gets its ticket now,
 * if it has had no byte so far. */
void tls_part(struct tls *);

/* Why the handshake failed; REASON_TLS_HANDSHAKE in general. */
enum reason tls_failure(const struct tls *);

/*
 * It failed, and a fatal alert says so to the client. False where no alert
 * may: a client that has our Finished already passes an alert on as a
 * clean end (Envoy 1.40), so it is to see a reset and nothing before it.
 */
bool tls_alerted(const struct tls *);

/*
 * One receive of at most a chunk; all records that it completes are opened into
 * buf, which holds size bytes, at least a block's. DONE or WAIT_READ with bytes;
 * WAIT_READ or TURN without; END: the client's close_notify; CUT: the end of
 * the stream without close_notify, never an error of the socket. BROKEN:
 * -ECONNABORTED: as CUT, in the middle of a record, so that something is missing
 * for certain; -EPROTO: tls_error() says what, and no alert is sent, which some
 * clients take for a clean end; -EOVERFLOW: too many records without data;
 * -EDQUOT: too many answers that the client does not read; -ENOMEM; other
 * -errno: the socket's. Many small records, or much padding, cost more than
 * their bytes. behind: as for tls_handshake().
 */
struct io tls_receive(struct tls *, uint8_t *buf, size_t size, bool behind);

/*
 * Seals and sends len bytes, at most a chunk: all of them or none. DONE;
 * WAIT_WRITE, with them or while earlier bytes are unsent; BROKEN: -EPROTO or
 * another -errno.
 */
struct io tls_send(struct tls *, const uint8_t *buf, size_t len);

/* Sends what is sealed and unsent. DONE: nothing is left; WAIT_WRITE; BROKEN. */
struct io tls_flush(struct tls *);

/*
 * Seals close_notify, once, and sends what can be sent. DONE, with the bytes
 * that it took, which are the last; WAIT_WRITE: what is sealed must be flushed
 * first, call again; BROKEN.
 */
struct io tls_finish(struct tls *);

/* Has no byte come? Of a session whose handshake has not succeeded. */
bool tls_silent(const struct tls *);

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
