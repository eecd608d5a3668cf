/*
 * Reads a ClientHello from raw bytes, strictly and within bounds, to find its
 * server name.
 */
#include "worker/tls/client_hello.h"

#include <stdbool.h>
#include <string.h>

#define NAME_TYPE_HOST 0 /* RFC 6066 section 3 */

/* RFC 8446 section 5.1 */
#define RECORD_CHANGE_CIPHER_SPEC 20
#define RECORD_APPLICATION_DATA	  23
#define RECORD_HANDSHAKE	  22
#define VERSION_MAJOR		  3

static size_t
get16(const uint8_t *p)
{
	return ((size_t)p[0] << 8 | p[1]);
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

/* Judges the first three bytes of the stream. */
static bool
starts_like_tls(const uint8_t *h, unsigned n)
{
	/* SSLv2 CLIENT-HELLO: two-byte length with the high bit, type 1. */
	if ((h[0] & 0x80) != 0)
		return (n < 3 || h[2] == 1);
	if (h[0] < RECORD_CHANGE_CIPHER_SPEC || h[0] > RECORD_APPLICATION_DATA)
		return (false);
	return (n < 2 || h[1] == VERSION_MAJOR);
}

static size_t
least(size_t a, size_t b)
{
	return (a < b ? a : b);
}

/* Takes bytes of a record's header; returns how many. */
static size_t
feed_header(struct client_hello_watch *w, const uint8_t *p, size_t len)
{
	size_t n = least(len, sizeof(w->header) - w->header_len);

	memcpy(w->header + w->header_len, p, n);
	w->header_len += n;
	if (w->header_len == sizeof(w->header))
		w->record_left = get16(w->header + 3);
	return (n);
}

/* Takes bytes of a record's body; returns how many. */
static size_t
feed_body(struct client_hello_watch *w, const uint8_t *p, size_t len)
{
	size_t n = least(len, w->record_left), m;

	if (w->header[0] == RECORD_HANDSHAKE) {
		m = least(n, sizeof(w->message) - w->message_len);
		memcpy(w->message + w->message_len, p, m);
		w->message_len += m;
	}
	w->record_left -= n;
	return (n);
}

enum reason
client_hello_feed(
    struct client_hello_watch *w, const uint8_t *p, size_t len, uint64_t max)
{
	size_t n;

	w->seen += len;
	while (len > 0) {
		if (w->header_len < sizeof(w->header))
			n = feed_header(w, p, len);
		else
			n = feed_body(w, p, len);
		if (!w->begun && !starts_like_tls(w->header, w->header_len))
			return (REASON_NOT_TLS);
		w->begun = w->begun || w->header_len == sizeof(w->header);
		/* The frames of an SSLv2 hello are not ours to follow. */
		if ((w->header[0] & 0x80) != 0)
			break;
		if (w->header_len == sizeof(w->header) && w->record_left == 0)
			w->header_len = 0;
		p += n;
		len -= n;
	}
	if (w->message_len == sizeof(w->message) &&
	    ((uint64_t)w->message[1] << 16 | get16(w->message + 2)) > max)
		return (REASON_CLIENT_HELLO_TOO_BIG);
	return (w->seen > max ? REASON_CLIENT_HELLO_TOO_BIG : REASON_NONE);
}
