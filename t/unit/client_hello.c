/*
 * The reader of ClientHellos, fed in pieces of every size: names, malformed
 * extensions, bounds.
 */
#include <stdlib.h>

#include "t/unit/tap.h"
#include "worker/tls/client_hello.h"

#define MAX 16384

static void
server_name(
    const char *what, const char *ext, size_t len, enum reason want, int name)
{
	const uint8_t *found = NULL;
	size_t found_len = 0;
	/* On the heap, so that a sanitizer sees one byte too many. */
	uint8_t *copy = malloc(len > 0 ? len : 1);

	if (copy == NULL)
		abort();
	memcpy(copy, ext, len);
	is_int(client_hello_server_name(copy, len, &found, &found_len), want,
	    what);
	if (want == REASON_NONE)
		is_int((int64_t)found_len, name, "the length of its name");
	free(copy);
}

#define NAME(what, bytes, want, len) \
	server_name(what, bytes, sizeof(bytes) - 1, want, len)

static enum reason
feed(const char *bytes, size_t len, size_t step)
{
	struct client_hello_watch w = { 0 };
	enum reason reason = REASON_NONE;
	size_t i, n;

	for (i = 0; i < len && reason == REASON_NONE; i += n) {
		n = step < len - i ? step : len - i;
		reason =
		    client_hello_feed(&w, (const uint8_t *)bytes + i, n, MAX);
	}
	return (reason);
}

/* However the bytes are cut, the answer is the same. */
static void
stream(const char *what, const char *bytes, size_t len, enum reason want)
{
	is_int(feed(bytes, len, len), want, what);
	is_int(feed(bytes, len, 1), want, "... byte by byte");
	is_int(feed(bytes, len, 5), want, "... header by header");
}

#define STREAM(what, bytes, want) stream(what, bytes, sizeof(bytes) - 1, want)

static void
names(void)
{
	NAME("one host_name", "\0\6\0\0\3a:1", REASON_NONE, 3);
	NAME("an empty host_name is a name", "\0\3\0\0\0", REASON_NONE, 0);
	NAME("an empty extension", "", REASON_SNI_MALFORMED, 0);
	NAME("an empty list", "\0\0", REASON_SNI_MALFORMED, 0);
	NAME("half a list length", "\0", REASON_SNI_MALFORMED, 0);
	NAME("a list too short", "\0\5\0\0\3a:1", REASON_SNI_MALFORMED, 0);
	NAME("a list too long", "\0\7\0\0\3a:1", REASON_SNI_MALFORMED, 0);
	NAME("a byte behind it", "\0\6\0\0\3a:1x", REASON_SNI_MALFORMED, 0);
	NAME("a name too long", "\0\6\0\0\4a:1", REASON_SNI_MALFORMED, 0);
	NAME("a name too short", "\0\6\0\0\2a:1", REASON_SNI_MALFORMED, 0);
	NAME("name type 1", "\0\6\1\0\3a:1", REASON_SNI_MALFORMED, 0);
	NAME("two host_names", "\0\14\0\0\3a:1\0\0\3b:1", REASON_SNI_MALFORMED,
	    0);
}

static void
streams(void)
{
	static char many[4 * MAX];
	size_t i;

	STREAM("a hello that begins well",
	    "\x16\3\1\0\x10\1\0\0\x0c\3\3abcdefghij", REASON_NONE);
	STREAM("an alert first is TLS", "\x15\3\1\0\2\2\50", REASON_NONE);
	STREAM("HTTP", "GET / HTTP/1.0\r\n\r\n", REASON_NOT_TLS);
	STREAM("SSH", "SSH-2.0-OpenSSH_9.2\r\n", REASON_NOT_TLS);
	STREAM("a NUL", "\0", REASON_NOT_TLS);
	STREAM("a TLS type with another version", "\x16\2\0", REASON_NOT_TLS);
	STREAM("an SSLv2 hello is left to OpenSSL",
	    "\x80\x2e\1\0\2\0\x15\0\0\0\x10", REASON_NONE);
	STREAM("the high bit alone is no SSLv2 hello", "\xff\xfe\xfd\xfc",
	    REASON_NOT_TLS);
	STREAM("a hello that declares 128 KiB", "\x16\3\1\0\4\1\1\xff\xff",
	    REASON_CLIENT_HELLO_TOO_BIG);
	STREAM("... in a header over two records",
	    "\x16\3\1\0\2\1\1\x16\3\1\0\2\xff\xff",
	    REASON_CLIENT_HELLO_TOO_BIG);
	STREAM("a hello that declares just the limit", "\x16\3\1\0\4\1\0\x40\0",
	    REASON_NONE);
	STREAM("... and one byte more", "\x16\3\1\0\4\1\0\x40\1",
	    REASON_CLIENT_HELLO_TOO_BIG);
	/* Empty records, which declare nothing, for ever. */
	for (i = 0; i + 5 <= sizeof(many); i += 5)
		memcpy(many + i, "\x14\3\3\0", 5);
	stream("more bytes than the limit", many, sizeof(many),
	    REASON_CLIENT_HELLO_TOO_BIG);
	stream("bytes up to the limit", many, MAX, REASON_NONE);
}

int
main(void)
{
	names();
	streams();
	return (done_testing());
}
