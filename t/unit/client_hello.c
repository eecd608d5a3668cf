/*
 * The reader of ClientHellos, given pieces of every size: records, messages,
 * names, malformed extensions, bounds.
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

/* What came of a stream, however it was cut. */
struct verdict {
	enum client_hello_progress progress;
	struct client_hello_fault fault;
	struct client_hello_scan scan;
};

/* Shows ever more of the bytes, step by step. */
static struct verdict
follow(const uint8_t *bytes, size_t len, size_t step, bool second)
{
	struct verdict v = { .progress = CLIENT_HELLO_MORE,
		.scan = { .second = second } };
	size_t seen = 0;

	while (v.progress == CLIENT_HELLO_MORE && seen < len) {
		seen = len - seen < step ? len : seen + step;
		v.progress =
		    client_hello_follow(&v.scan, bytes, seen, MAX, &v.fault);
	}
	return (v);
}

/* The same answer however the bytes are cut; returns it. */
static struct verdict
verdict(const char *what, const char *s, size_t len, bool second,
    enum client_hello_progress want)
{
	static const size_t steps[] = { 1, 2, 5, 7, 1000 };
	uint8_t *bytes = malloc(len);
	struct verdict v, other;
	size_t i;

	if (bytes == NULL)
		abort();
	memcpy(bytes, s, len);
	v = follow(bytes, len, len, second);
	is_int(v.progress, want, what);
	for (i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		other = follow(bytes, len, steps[i], second);
		ok(other.progress == v.progress && other.scan.at == v.scan.at &&
			(v.progress != CLIENT_HELLO_BAD ||
			    (other.fault.reason == v.fault.reason &&
				other.fault.alert == v.fault.alert)),
		    "... in steps of %zu", steps[i]);
	}
	free(bytes);
	return (v);
}

static void
good(const char *what, const char *s, size_t len, size_t end)
{
	struct verdict v = verdict(what, s, len, false,
	    end > 0 ? CLIENT_HELLO_WHOLE : CLIENT_HELLO_MORE);

	if (end > 0)
		is_int((int64_t)v.scan.at, (int64_t)end, "... where it ends");
}

#define GOOD(what, s, end) good(what, s, sizeof(s) - 1, end)

static void
refused(
    const char *what, const char *s, size_t len, enum reason reason, int alert)
{
	struct verdict v = verdict(what, s, len, false, CLIENT_HELLO_BAD);

	is_int(v.fault.reason, reason, "... for that reason");
	is_int(v.fault.alert, alert, "... with that alert");
}

#define BAD(what, s, reason, alert) \
	refused(what, s, sizeof(s) - 1, REASON_##reason, alert)

#define SECOND(what, s, want) \
	(void)verdict(what, s, sizeof(s) - 1, true, CLIENT_HELLO_##want)

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
starts(void)
{
	BAD("HTTP", "GET / HTTP/1.0\r\n\r\n", NOT_TLS, 0);
	BAD("SSH", "SSH-2.0-OpenSSH_9.2\r\n", NOT_TLS, 0);
	BAD("a NUL", "\0", NOT_TLS, 0);
	BAD("a TLS type with another version", "\x16\2\0", NOT_TLS, 0);
	BAD("a hello of SSL 2", "\x80\x2e\1\0\2\0\x15\0\0\0\x10", TLS_VERSION,
	    70);
	GOOD("what may become one", "\x80\x2e", 0);
	BAD("the high bit alone is none", "\xff\xfe\xfd\xfc", NOT_TLS, 0);
	BAD("an alert", "\x15\3\1\0\2\2\50", TLS_HANDSHAKE, 0);
	BAD("application data", "\x17\3\3\0\5", TLS_HANDSHAKE, 10);
	BAD("change_cipher_spec", "\x14\3\3\0\1\1", TLS_HANDSHAKE, 10);
	BAD("an empty record", "\x16\3\1\0\0", TLS_HANDSHAKE, 10);
	BAD("a record of 16 KiB and a byte", "\x16\3\1\x40\1", TLS_HANDSHAKE,
	    22);
	GOOD("a record of 16 KiB", "\x16\3\1\x40\0", 0);
	BAD("another message", "\x16\3\1\0\5\2\0\0\1\0", TLS_HANDSHAKE, 10);
	BAD("another message, its first byte alone", "\x16\3\1\0\5\2",
	    TLS_HANDSHAKE, 10);
}

static void
records(void)
{
	GOOD("nothing yet", "\x16", 0);
	GOOD("a hello in one record", "\x16\3\1\0\5\1\0\0\1x", 10);
	GOOD("... and what comes behind it",
	    "\x16\3\1\0\5\1\0\0\1x\x14\3\3\0\1\1\x17\3\3\0\1x", 10);
	GOOD("all but its last byte", "\x16\3\1\0\6\1\0\0\2x", 0);
	GOOD("a hello in two records", "\x16\3\1\0\4\1\0\0\1\x16\3\3\0\1x", 15);
	GOOD("a hello in records of a byte",
	    "\x16\3\1\0\1\1\x16\3\1\0\1\0\x16\3\1\0\1\0"
	    "\x16\3\1\0\1\1\x16\3\1\0\1x",
	    30);
	BAD("a record that goes on after the hello", "\x16\3\1\0\6\1\0\0\1xy",
	    TLS_HANDSHAKE, 10);
	BAD("another record within the hello",
	    "\x16\3\1\0\4\1\0\0\1\x14\3\3\0\1\1", TLS_HANDSHAKE, 10);
	BAD("an alert within the hello",
	    "\x16\3\1\0\4\1\0\0\1\x15\3\3\0\2\2\50", TLS_HANDSHAKE, 0);
	BAD("an empty record within the hello",
	    "\x16\3\1\0\4\1\0\0\1\x16\3\3\0\0", TLS_HANDSHAKE, 10);
	BAD("a record of another version within the hello",
	    "\x16\3\1\0\4\1\0\0\1\x16\2\3\0\1x", TLS_HANDSHAKE, 70);
	BAD("a record of a type that there is not",
	    "\x16\3\1\0\4\1\0\0\1\x80\3\3\0\1x", TLS_HANDSHAKE, 10);
}

static void
bounds(void)
{
	static char many[4 * MAX];
	size_t i;

	BAD("a hello that declares 128 KiB", "\x16\3\1\0\4\1\1\xff\xff",
	    CLIENT_HELLO_TOO_BIG, 0);
	BAD("... in a header over two records",
	    "\x16\3\1\0\2\1\1\x16\3\1\0\2\xff\xff", CLIENT_HELLO_TOO_BIG, 0);
	GOOD("a hello that declares just the limit", "\x16\3\1\0\4\1\0\x40\0",
	    0);
	BAD("... and one byte more", "\x16\3\1\0\4\1\0\x40\1",
	    CLIENT_HELLO_TOO_BIG, 0);
	/* A byte of the message in each record. */
	for (i = 0; i + 6 <= sizeof(many); i += 6)
		memcpy(many + i, "\x16\3\1\0\1", 6);
	memcpy(many + 5, "\1", 1);
	many[17] = 0x3f;
	refused("records beyond the limit", many, MAX + 1,
	    REASON_CLIENT_HELLO_TOO_BIG, 0);
	good("records up to the limit", many, MAX, 0);
}

/* After a HelloRetryRequest. */
static void
seconds(void)
{
	SECOND("a second hello", "\x16\3\3\0\5\1\0\0\1x", WHOLE);
	SECOND("a second hello in two records",
	    "\x16\3\3\0\4\1\0\0\1\x16\3\3\0\1x", WHOLE);
	SECOND("... with another between them",
	    "\x16\3\3\0\4\1\0\0\1\x14\3\3\0\1\1\x16\3\3\0\1x", WHOLE);
	SECOND("change_cipher_spec in front of it",
	    "\x14\3\3\0\1\1\x16\3\3\0\5\1\0\0\1x", PASS);
	SECOND("... cut short", "\x14\3\3\0\1", MORE);
	SECOND("early data in front of it", "\x17\3\3\0\3abc", PASS);
	SECOND("an alert", "\x15\3\3\0\2\2\50", NONE);
	SECOND("another message", "\x16\3\3\0\5\2\0\0\1x", NONE);
	SECOND("an empty record", "\x16\3\3\0\0", BAD);
	SECOND("a hello of SSL 2", "\x80\x2e\1\0\2", BAD);
}

/* A hello with that body is refused with the alert, 0: it is read. */
static struct client_hello
message(const char *what, const char *s, size_t len, int alert)
{
	struct client_hello_fault fault = { REASON_NONE, 0, NULL };
	struct client_hello hello;
	uint8_t *copy = malloc(len > 0 ? len : 1);

	if (copy == NULL)
		abort();
	memcpy(copy, s, len);
	is_int(client_hello_read(&hello, copy, len, &fault), alert == 0, what);
	is_int(fault.alert, alert, "... with that alert");
	if (hello.name != NULL)
		hello.name = (const uint8_t *)s + (hello.name - copy);
	free(copy);
	return (hello);
}

#define RANDOM			"RRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRR"
#define FRONT			"\3\3" RANDOM "\0\0\2\x13\1\1\0"

#define MESSAGE(what, s, alert) message(what, s, sizeof(s) - 1, alert)

static void
messages(void)
{
	struct client_hello hello;

	hello = MESSAGE("no extensions", FRONT, 0);
	is_int(hello.reason, REASON_SNI_MISSING, "has no name");
	is_int(hello.version, 0x0303, "its version");
	hello = MESSAGE("an empty list of extensions", FRONT "\0\0", 0);
	is_int(hello.reason, REASON_SNI_MISSING, "has no name");
	hello = MESSAGE("a name", FRONT "\0\x0c\0\0\0\x8\0\6\0\0\3a:1", 0);
	is_int(hello.reason, REASON_NONE, "has a name");
	ok(hello.name_len == 3 && memcmp(hello.name, "a:1", 3) == 0,
	    "that name");
	hello = MESSAGE("a name behind another extension",
	    FRONT "\0\x11\x1a\x1a\0\1x\0\0\0\x8\0\6\0\0\3a:1", 0);
	is_int((int64_t)hello.name_len, 3, "has a name");
	hello = MESSAGE("a malformed name", FRONT "\0\4\0\0\0\0", 0);
	is_int(hello.reason, REASON_SNI_MALFORMED, "is told");
	ok(hello.name == NULL, "and shown to nobody");
	(void)MESSAGE("a session id of 32 bytes",
	    "\3\3" RANDOM "\x20" RANDOM "\0\2\x13\1\1\0", 0);
	(void)MESSAGE("a session id of 33 bytes",
	    "\3\3" RANDOM "\x21" RANDOM "x\0\2\x13\1\1\0", 50);
	(void)MESSAGE("nothing at all", "", 50);
	(void)MESSAGE("a version alone", "\3\3", 50);
	(void)MESSAGE("no ciphers", "\3\3" RANDOM "\0\0\0\1\0", 50);
	(void)MESSAGE(
	    "half a cipher", "\3\3" RANDOM "\0\0\3\x13\1\x13\1\0", 50);
	(void)MESSAGE("no compression", "\3\3" RANDOM "\0\0\2\x13\1\0", 50);
	(void)MESSAGE("a byte behind the compressions", FRONT "\0", 50);
	(void)MESSAGE("extensions cut short", FRONT "\0\5\x1a\x1a\0\0", 50);
	(void)MESSAGE("a byte behind the extensions", FRONT "\0\0x", 50);
	(void)MESSAGE("an extension cut short", FRONT "\0\4\x1a\x1a\0\1", 50);
	(void)MESSAGE("half an extension's header", FRONT "\0\3\x1a\x1a\0", 50);
	(void)MESSAGE("pre_shared_key at the end",
	    FRONT "\0\x09\x1a\x1a\0\0\0\x29\0\1x", 0);
	(void)MESSAGE("pre_shared_key before the end",
	    FRONT "\0\x09\0\x29\0\1x\x1a\x1a\0\0", 47);
	(void)MESSAGE("an extension twice",
	    FRONT "\0\x0d\xff\1\0\1x\x1a\x1a\0\0\xff\1\0\0", 47);
}

/* Scattered or not, the message is the same. */
static void
pieces(void)
{
	static const uint8_t bytes[] =
	    "\x16\3\3\0\2\1\0\x14\3\3\0\1\1\x16\3\3\0\4\0\3ab"
	    "\x16\3\3\0\1"
	    "c";
	struct verdict v =
	    follow(bytes, sizeof(bytes) - 1, sizeof(bytes) - 1, true);
	uint8_t room[3];

	is_int(v.progress, CLIENT_HELLO_WHOLE, "a hello in three pieces");
	is_int((int64_t)v.scan.length, 3, "its length");
	ok(memcmp(client_hello_message(&v.scan, bytes, room), "abc", 3) == 0,
	    "put together");
	v = follow((const uint8_t *)"\x16\3\3\0\7\1\0\0\3abc", 12, 12, false);
	ok(memcmp(client_hello_message(&v.scan,
		      (const uint8_t *)"\x16\3\3\0\7\1\0\0\3abc", NULL),
	       "abc", 3) == 0,
	    "one that is in one piece stays where it is");
}

int
main(void)
{
	names();
	starts();
	records();
	bounds();
	seconds();
	messages();
	pieces();
	return (done_testing());
}
