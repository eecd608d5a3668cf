/*
 * The handshakes of TLS sessions with clients: they begin here, and leave a
 * stream behind. Error text is inside, and no caller sees the TLS library.
 */
#ifndef WORKER_TLS_HANDSHAKE_H
#define WORKER_TLS_HANDSHAKE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/policy/identity.h"
#include "common/reason.h"
#include "worker/loop/buffer.h"
#include "worker/loop/io.h"

struct ssl_ctx_st;
struct ticket_keys;
struct tls_context;
struct tls_handshake;
struct tls_stream;

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
 * Called when the ClientHello is there, with the raw bytes of the server name
 * (borrowed for the call; NULL: none came). reason is NONE, SNI_MISSING,
 * SNI_MALFORMED, or, after a HelloRetryRequest, SNI_CHANGED; NO_MEMORY. If it
 * answers with an alert, reason is to say why, and tls_handshake_failure()
 * repeats it. Not called again for a second hello with the same name.
 */
typedef enum tls_alert tls_hello_cb(
    void *arg, const uint8_t *name, size_t len, enum reason *);

/* Bytes of a client before its handshake ends. */
struct tls_bounds {
	uint64_t hello; /* its hello; another after a HelloRetryRequest */
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

/* The keys of tickets, borrowed, which may change at any time, and how many
 * tickets a handshake brings where a client can resume by them. There are none
 * unless this was called. */
void tls_context_tickets(
    struct tls_context *, const struct ticket_keys *, unsigned n);

/* On the connected, non-blocking socket fd, which stays the caller's. 0 or
 * -ENOMEM. */
int tls_handshake_new(
    struct tls_handshake **, struct tls_context *, int fd, void *arg);

/* Frees it, and its session, without a word to the peer. NULL is let pass. */
void tls_handshake_free(struct tls_handshake *);

/*
 * Goes on. DONE; tickets of TLS 1.3 wait for the first bytes that are sent.
 * WAIT_READ, WAIT_WRITE, TURN. CUT: the client ended its stream. BROKEN with
 * -EPROTO: failed, tls_handshake_failure() and why say why,
 * tls_handshake_alerted() whether the client hears of it; with another -errno:
 * the socket's. behind: epoll has told already of what may stand behind the
 * bytes, such as the end of the stream, and will not again; of a client whose
 * stream ends right behind its hello, that hello is judged, and no more.
 */
struct io tls_handshake_run(struct tls_handshake *, bool behind);

/* It is done: returns its stream, owned by the caller, and frees the rest. */
struct tls_stream *tls_handshake_take(struct tls_handshake *);

/* Why it failed; REASON_TLS_HANDSHAKE in general. */
enum reason tls_handshake_failure(const struct tls_handshake *);

/*
 * It failed, and a fatal alert says so to the client. False where no alert
 * may: a client that has our Finished already passes an alert on as a
 * clean end (Envoy 1.40), so it is to see a reset and nothing before it.
 */
bool tls_handshake_alerted(const struct tls_handshake *);

/* It failed since the client ended it, by a fatal alert or close_notify. */
bool tls_handshake_left(const struct tls_handshake *);

/* Did its last receive leave the socket empty? behind: as for
 * tls_handshake_run(). */
bool tls_handshake_drained(const struct tls_handshake *, bool behind);

/* Has no byte come? */
bool tls_handshake_silent(const struct tls_handshake *);

/* All that follow: once it is done. */

/*
 * The names of the client's certificate, verified in this handshake or in the
 * one that is resumed, and no worse since: its SPIFFE id, then its DNS names.
 * 0 with *n names, borrowed, none where there is no such certificate; -ENOMEM;
 * -EINVAL: it must not pass for anybody's, and *why says so (static).
 */
int tls_handshake_identities(struct tls_handshake *, const struct identity **,
    size_t *n, const char **why);

/* Has the client a certificate, of whatever names, that was so verified? */
bool tls_handshake_verified(const struct tls_handshake *);

/* 0x0304 for TLS 1.3, and a static string. */
unsigned tls_handshake_version(const struct tls_handshake *);
const char *tls_handshake_cipher(const struct tls_handshake *);
bool tls_handshake_resumed(const struct tls_handshake *);

#endif
