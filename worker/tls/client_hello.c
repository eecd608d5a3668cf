/*
 * Reads a ClientHello from the wire, strictly and within bounds: its records,
 * its message, and of that the server name.
 */
#include "worker/tls/client_hello.h"

#include <string.h>

#define NAME_TYPE_HOST 0 /* RFC 6066 section 3 */

/* Section 4.2 */
#define EXTENSION_SERVER_NAME	 0
#define EXTENSION_PRE_SHARED_KEY 41

/* RFC 8446 section 5.1 */
#define RECORD_CHANGE_CIPHER_SPEC 20
#define RECORD_ALERT		  21
#define RECORD_HANDSHAKE	  22
#define RECORD_APPLICATION_DATA	  23
#define RECORD_HEADER		  5
#define RECORD_MAX		  (16 * 1024)
#define VERSION_MAJOR		  3

/* Section 4 */
#define MESSAGE_CLIENT_HELLO 1
#define MESSAGE_HEADER	     4

/* Section 6 */
#define ALERT_UNEXPECTED_MESSAGE 10
#define ALERT_RECORD_OVERFLOW	 22
#define ALERT_ILLEGAL_PARAMETER	 47
#define ALERT_DECODE_ERROR	 50
#define ALERT_PROTOCOL_VERSION	 70

#define EXTENSION_TYPES		 (UINT16_MAX + 1)

static size_t
get16(const uint8_t *p)
{
	return ((size_t)p[0] << 8 | p[1]);
}

static size_t
least(size_t a, size_t b)
{
	return (a < b ? a : b);
}

static enum client_hello_progress
bad(struct client_hello_fault *fault, uint8_t alert, const char *why)
{
	*fault =
	    (struct client_hello_fault){ REASON_TLS_HANDSHAKE, alert, why };
	return (CLIENT_HELLO_BAD);
}

static enum client_hello_progress
bad_reason(struct client_hello_fault *fault, enum reason reason)
{
	*fault = (struct client_hello_fault){ .reason = reason };
	return (CLIENT_HELLO_BAD);
}

/* SSLv2 CLIENT-HELLO: two-byte length with the high bit, type 1. */
static bool
is_ssl2(const uint8_t *h)
{
	return ((h[0] & 0x80) != 0);
}

/* Judges the first bytes of the stream, n of them, 1 at least. */
static enum client_hello_progress
judge_start(const uint8_t *h, size_t n, struct client_hello_fault *fault)
{
	if (is_ssl2(h)) {
		if (n < 3)
			return (CLIENT_HELLO_MORE);
		if (h[2] != 1)
			return (bad_reason(fault, REASON_NOT_TLS));
		*fault = (struct client_hello_fault){ REASON_TLS_VERSION,
			ALERT_PROTOCOL_VERSION, "a hello of SSL 2" };
		return (CLIENT_HELLO_BAD);
	}
	if (h[0] < RECORD_CHANGE_CIPHER_SPEC || h[0] > RECORD_APPLICATION_DATA)
		return (bad_reason(fault, REASON_NOT_TLS));
	if (n > 1 && h[1] != VERSION_MAJOR)
		return (bad_reason(fault, REASON_NOT_TLS));
	return (CLIENT_HELLO_MORE);
}

/* Judges a record of another type than handshake, where a hello is to come;
 * its header is there. */
static enum client_hello_progress
judge_other(uint8_t type, struct client_hello_fault *fault)
{
	/* An alert is not answered with another. */
	if (type == RECORD_ALERT)
		return (bad(fault, 0, "an alert in place of a hello"));
	return (bad(fault, ALERT_UNEXPECTED_MESSAGE,
	    "a record of another type in place of a hello"));
}

/*
 * Judges the header of a record that goes on with a stream whose start was
 * judged; n bytes of it are there, 1 at least. MORE: it is good so far.
 */
static enum client_hello_progress
judge_header(const struct client_hello_scan *s, const uint8_t *h, size_t n,
    struct client_hello_fault *fault)
{
	if (h[0] < RECORD_CHANGE_CIPHER_SPEC || h[0] > RECORD_APPLICATION_DATA)
		return (bad(fault, ALERT_UNEXPECTED_MESSAGE,
		    "a record of a type that TLS has not"));
	if (n > 1 && h[1] != VERSION_MAJOR)
		return (bad(fault, ALERT_PROTOCOL_VERSION,
		    "a record of a version that TLS has not"));
	if (n < RECORD_HEADER)
		return (CLIENT_HELLO_MORE);
	if (h[0] != RECORD_HANDSHAKE)
		return (
		    s->second ? CLIENT_HELLO_MORE : judge_other(h[0], fault));
	if (get16(h + 3) > RECORD_MAX)
		return (bad(
		    fault, ALERT_RECORD_OVERFLOW, "a record of over 16 KiB"));
	/* RFC 8446 section 5.1: not for handshake messages. */
	if (get16(h + 3) == 0)
		return (
		    bad(fault, ALERT_UNEXPECTED_MESSAGE, "an empty record"));
	return (CLIENT_HELLO_MORE);
}

/*
 * Judges the header of the message, with the n bytes of it that follow those in
 * whole records; s keeps what it says.
 */
static enum client_hello_progress
judge_message(struct client_hello_scan *s, const uint8_t *p, size_t n,
    size_t max, struct client_hello_fault *fault)
{
	size_t have = least(s->got, MESSAGE_HEADER);

	memcpy(s->head + have, p, least(n, MESSAGE_HEADER - have));
	have += least(n, MESSAGE_HEADER - have);
	if (have > 0 && s->head[0] != MESSAGE_CLIENT_HELLO)
		return (s->second ? CLIENT_HELLO_NONE
				  : bad(fault, ALERT_UNEXPECTED_MESSAGE,
					"another message in place of a hello"));
	if (have < MESSAGE_HEADER)
		return (CLIENT_HELLO_MORE);
	s->length = (size_t)s->head[1] << 16 | get16(s->head + 2);
	if (s->length > max)
		return (bad_reason(fault, REASON_CLIENT_HELLO_TOO_BIG));
	return (CLIENT_HELLO_MORE);
}

/* Takes the body of a whole handshake record. */
static enum client_hello_progress
take_record(
    struct client_hello_scan *s, size_t body, struct client_hello_fault *fault)
{
	s->scattered = s->begun;
	s->begun = true;
	s->got += body;
	s->at += RECORD_HEADER + body;
	if (s->got < MESSAGE_HEADER || s->got < MESSAGE_HEADER + s->length)
		return (CLIENT_HELLO_MORE);
	/* What a client sends next depends on our answer. */
	if (s->got > MESSAGE_HEADER + s->length)
		return (bad(fault, ALERT_UNEXPECTED_MESSAGE,
		    "a record goes on after the hello"));
	return (CLIENT_HELLO_WHOLE);
}

/* Goes through one record, of which len bytes are there, 1 at least. MORE with
 * s->at unchanged: it is not whole. */
static enum client_hello_progress
follow_record(struct client_hello_scan *s, const uint8_t *h, size_t len,
    size_t max, struct client_hello_fault *fault)
{
	bool start = s->at == 0 && !s->second;
	enum client_hello_progress progress = CLIENT_HELLO_MORE;
	size_t body;

	if (start)
		progress = judge_start(h, len, fault);
	if (progress == CLIENT_HELLO_MORE && !(start && is_ssl2(h)))
		progress = judge_header(s, h, len, fault);
	if (progress != CLIENT_HELLO_MORE || len < RECORD_HEADER)
		return (progress);
	body = get16(h + 3);
	len = least(len - RECORD_HEADER, body);
	if (h[0] == RECORD_HANDSHAKE) {
		progress = judge_message(s, h + RECORD_HEADER, len, max, fault);
		if (progress != CLIENT_HELLO_MORE)
			return (progress);
	} else if (h[0] == RECORD_ALERT) {
		return (CLIENT_HELLO_NONE);
	}
	if (len < body)
		return (CLIENT_HELLO_MORE);
	if (h[0] == RECORD_HANDSHAKE)
		return (take_record(s, body, fault));
	s->at += RECORD_HEADER + body;
	return (s->begun ? CLIENT_HELLO_MORE : CLIENT_HELLO_PASS);
}

enum client_hello_progress
client_hello_follow(struct client_hello_scan *s, const uint8_t *bytes,
    size_t len, size_t max, struct client_hello_fault *fault)
{
	enum client_hello_progress progress = CLIENT_HELLO_MORE;
	size_t seen = least(len, max), before;

	while (progress == CLIENT_HELLO_MORE && s->at < seen) {
		before = s->at;
		progress =
		    follow_record(s, bytes + before, seen - before, max, fault);
		if (s->at == before)
			break;
	}
	if (progress == CLIENT_HELLO_MORE && len > max)
		return (bad_reason(fault, REASON_CLIENT_HELLO_TOO_BIG));
	return (progress);
}

const uint8_t *
client_hello_message(
    const struct client_hello_scan *s, const uint8_t *bytes, uint8_t *room)
{
	size_t at, body, skip = MESSAGE_HEADER, n, done = 0;

	if (!s->scattered)
		return (bytes + RECORD_HEADER + MESSAGE_HEADER);
	for (at = 0; at < s->at; at += RECORD_HEADER + body) {
		body = get16(bytes + at + 3);
		if (bytes[at] != RECORD_HANDSHAKE)
			continue;
		n = least(skip, body);
		skip -= n;
		memcpy(room + done, bytes + at + RECORD_HEADER + n, body - n);
		done += body - n;
	}
	return (room);
}

/* What is left of a message to be read. */
struct rest {
	const uint8_t *p;
	size_t len;
};

static bool
take(struct rest *r, size_t n, const uint8_t **p)
{
	if (r->len < n)
		return (false);
	*p = r->p;
	r->p += n;
	r->len -= n;
	return (true);
}

/* A vector whose length has so many bytes (RFC 8446 section 3.4). */
static bool
take_vector(struct rest *r, unsigned bytes, struct rest *vector)
{
	const uint8_t *p;

	if (!take(r, bytes, &p))
		return (false);
	vector->len = bytes == 1 ? p[0] : get16(p);
	return (take(r, vector->len, &vector->p));
}

/* All before the extensions. */
static bool
read_fields(struct client_hello *hello, struct rest *r)
{
	struct rest session, ciphers, compressions;
	const uint8_t *p;

	if (!take(r, 2, &p))
		return (false);
	hello->version = (uint16_t)get16(p);
	return (take(r, 32, &p) && take_vector(r, 1, &session) &&
		session.len <= 32 && take_vector(r, 2, &ciphers) &&
		ciphers.len >= 2 && ciphers.len % 2 == 0 &&
		take_vector(r, 1, &compressions) && compressions.len >= 1);
}

static void
read_name(struct client_hello *hello, const struct rest *ext)
{
	hello->reason = client_hello_server_name(
	    ext->p, ext->len, &hello->name, &hello->name_len);
}

/* True; else alert and why are set. */
static bool
read_extensions(struct client_hello *hello, struct rest *all,
    struct client_hello_fault *fault)
{
	uint8_t seen[EXTENSION_TYPES / 8] = { 0 };
	const uint8_t *p;
	struct rest ext;
	size_t type;

	while (all->len > 0) {
		if (!take(all, 2, &p) || !take_vector(all, 2, &ext)) {
			(void)bad(fault, ALERT_DECODE_ERROR,
			    "an extension of the hello is cut short");
			return (false);
		}
		type = get16(p);
		/* RFC 8446 section 4.2 */
		if ((seen[type / 8] & 1U << type % 8) != 0) {
			(void)bad(fault, ALERT_ILLEGAL_PARAMETER,
			    "the hello has an extension twice");
			return (false);
		}
		/* Section 4.2.11 */
		if (type == EXTENSION_PRE_SHARED_KEY && all->len > 0) {
			(void)bad(fault, ALERT_ILLEGAL_PARAMETER,
			    "the hello goes on after its pre_shared_key");
			return (false);
		}
		seen[type / 8] |= (uint8_t)(1U << type % 8);
		if (type == EXTENSION_SERVER_NAME)
			read_name(hello, &ext);
	}
	return (true);
}

bool
client_hello_read(struct client_hello *hello, const uint8_t *message,
    size_t len, struct client_hello_fault *fault)
{
	struct rest r = { message, len }, extensions = { NULL, 0 };

	*hello = (struct client_hello){ .reason = REASON_SNI_MISSING };
	/* RFC 5246 section 7.4.1.2: there may be none at all. */
	if (!read_fields(hello, &r) ||
	    (r.len > 0 && (!take_vector(&r, 2, &extensions) || r.len > 0))) {
		(void)bad(fault, ALERT_DECODE_ERROR,
		    "the hello is cut short, or goes on after its end");
		return (false);
	}
	return (read_extensions(hello, &extensions, fault));
}

enum reason
client_hello_server_name(
    const uint8_t *ext, size_t ext_len, const uint8_t **name, size_t *len)
{
	/* list length (2), type (1), name length (2), name, nothing else */
	if (ext_len < 5 || get16(ext) != ext_len - 2)
		return (REASON_SNI_MALFORMED);
	if (ext[2] != NAME_TYPE_HOST || get16(ext + 3) != ext_len - 5)
		return (REASON_SNI_MALFORMED);
	*name = ext + 5;
	*len = ext_len - 5;
	return (REASON_NONE);
}
