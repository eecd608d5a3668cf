/*
 * The hellos of a handshake: followed as they come, decided upon, and held back
 * from the TLS library until they may go on.
 */
#include "worker/tls/client_hello.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/fd.h"
#include "worker/tls/state.h"

#define LEVEL_FATAL 2 /* RFC 8446 section 6 */

/*
 * Answers with a fatal alert. No keys are in use yet, so that it is a plain
 * record; its version is no higher than the client's (RFC 5246 appendix E.1).
 */
static void
send_alert(struct tls_stream *tls, uint8_t alert)
{
	const uint8_t record[] = { SSL3_RT_ALERT, SSL3_VERSION_MAJOR,
		tls->handshake->hello.minor, 0, 2, LEVEL_FATAL, alert };

	/* It cannot overtake a HelloRetryRequest; the FIN follows it. */
	if (tls_flush_out(tls) == 0)
		tls->handshake->alerted =
		    fd_send_last(tls->fd, record, sizeof(record)) ==
		    (ssize_t)sizeof(record);
}

static int
refuse(struct tls_stream *tls, const struct client_hello_fault *fault)
{
	tls->handshake->failure = fault->reason;
	if (fault->why != NULL)
		tls_set_error(tls, fault->why);
	if (fault->alert != 0)
		send_alert(tls, fault->alert);
	return (-EPROTO);
}

/* RFC 8446 section 4.1.2 wants the second hello to be the first again, but for
 * what was asked for; no library looks at its name. */
static bool
same_name(const struct tls_handshake *hs, const struct client_hello *hello)
{
	if (hello->reason == REASON_SNI_MALFORMED ||
	    hs->has_name != (hello->name != NULL))
		return (false);
	return (!hs->has_name ||
		(hs->name_len == hello->name_len &&
		    memcmp(hs->name, hello->name, hs->name_len) == 0));
}

static enum reason
keep_name(struct tls_handshake *hs, const struct client_hello *hello)
{
	hs->name = malloc(hello->name_len > 0 ? hello->name_len : 1);
	if (hs->name == NULL)
		return (REASON_NO_MEMORY);
	memcpy(hs->name, hello->name, hello->name_len);
	hs->name_len = hello->name_len;
	hs->has_name = true;
	return (REASON_NONE);
}

static void
note_version(struct hello *h, const struct client_hello *hello)
{
	if (hello->version >= SSL3_VERSION && hello->version < TLS1_2_VERSION)
		h->minor = (uint8_t)(hello->version & UINT8_MAX);
}

/* A hello is there, in bytes. 0: it may go on; -EPROTO: it was refused. */
static int
decide(struct tls_stream *tls, const uint8_t *bytes)
{
	struct tls_handshake *hs = tls->handshake;
	const struct client_hello_scan *scan = &hs->hello.scan;
	struct client_hello_fault fault = { REASON_NONE, 0, NULL };
	struct client_hello hello;
	enum reason reason;

	if (!client_hello_read(&hello,
		client_hello_message(scan, bytes, tls->context->message),
		scan->length, &fault))
		return (refuse(tls, &fault));
	note_version(&hs->hello, &hello);
	reason = hello.reason;
	if (scan->second) {
		if (same_name(hs, &hello))
			return (0);
		reason = REASON_SNI_CHANGED;
	} else if (reason == REASON_NONE) {
		reason = keep_name(hs, &hello);
	}
	fault.alert = (uint8_t)tls->context->hello(
	    hs->arg, hello.name, hello.name_len, &reason);
	fault.reason = reason;
	return (fault.alert == TLS_ALERT_NONE ? 0 : refuse(tls, &fault));
}

int
tls_hello_take(struct tls_stream *tls)
{
	struct hello *h = &tls->handshake->hello;
	struct intake *in = &tls->handshake->in;
	const uint8_t *bytes = in->bytes + in->start;
	struct client_hello_fault fault;
	int error;

	switch (client_hello_follow(
	    &h->scan, bytes, intake_len(in), h->max - h->fed, &fault)) {
	case CLIENT_HELLO_MORE:
		return (-EAGAIN);
	case CLIENT_HELLO_BAD:
		return (refuse(tls, &fault));
	case CLIENT_HELLO_NONE:
		tls_hello_behind(tls);
		break;
	case CLIENT_HELLO_WHOLE:
		error = decide(tls, bytes);
		if (error != 0)
			return (error);
		/* FALLTHROUGH */
	case CLIENT_HELLO_PASS:
		in->may = in->start + h->scan.at;
		break;
	}
	h->awaited = false;
	return (0);
}

void
tls_hello_behind(struct tls_stream *tls)
{
	struct hello *h = &tls->handshake->hello;

	h->behind = true;
	h->max = h->fed + tls->context->bounds.rest;
}

void
tls_hello_next(struct tls_stream *tls)
{
	struct hello *h = &tls->handshake->hello;
	const struct intake *in = &tls->handshake->in;

	/* Does the library want more than it was given? */
	if (h->behind || in->start < in->may || !SSL_want_read(tls->ssl))
		return;
	if (SSL_version(tls->ssl) != TLS1_3_VERSION || tls_sent_finished(tls)) {
		tls_hello_behind(tls);
		return;
	}
	/* It is as long as the first, and may be longer by a key share. */
	h->max = h->fed + tls->context->bounds.hello;
	h->awaited = true;
	h->scan = (struct client_hello_scan){ .second = true };
}
