/*
 * The first byte chooses: the body of a server_name extension, or a stream of
 * bytes, before a hello or after a HelloRetryRequest, whose verdict must not
 * depend on how it was cut.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "worker/tls/client_hello.h"

#define MAX 512

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void
server_name(const uint8_t *ext, size_t len)
{
	const uint8_t *name = NULL;
	size_t name_len = 0;

	if (client_hello_server_name(ext, len, &name, &name_len) !=
	    REASON_NONE) {
		assert(name == NULL);
		return;
	}
	/* RFC 6066 section 3: one entry, and it fills the extension. */
	assert(name == ext + 5 && name_len == len - 5);
	assert(((size_t)ext[0] << 8 | ext[1]) == len - 2);
	assert(ext[2] == 0);
}

struct verdict {
	enum client_hello_progress progress;
	struct client_hello_fault fault;
	struct client_hello_scan scan;
};

/* Shows ever more of the bytes; returns the verdict. */
static struct verdict
follow(const uint8_t *data, size_t len, size_t step, bool second)
{
	struct verdict v = { .progress = CLIENT_HELLO_MORE,
		.scan = { .second = second } };
	size_t seen = 0;

	while (seen < len && v.progress == CLIENT_HELLO_MORE) {
		seen = len - seen < step ? len : seen + step;
		v.progress =
		    client_hello_follow(&v.scan, data, seen, MAX, &v.fault);
	}
	return (v);
}

static void
same(const struct verdict *a, const struct verdict *b)
{
	assert(a->progress == b->progress);
	if (a->progress == CLIENT_HELLO_BAD)
		assert(a->fault.reason == b->fault.reason &&
		       a->fault.alert == b->fault.alert);
	else
		assert(a->scan.at == b->scan.at);
}

static void
read_message(const struct verdict *v, const uint8_t *data)
{
	struct client_hello_fault fault = { REASON_NONE, 0, NULL };
	struct client_hello hello;
	uint8_t room[MAX];
	const uint8_t *message = client_hello_message(&v->scan, data, room);

	assert(v->scan.length <= MAX && v->scan.at <= MAX);
	if (!client_hello_read(&hello, message, v->scan.length, &fault)) {
		assert(fault.reason != REASON_NONE && fault.alert != 0);
		return;
	}
	assert((hello.name != NULL) == (hello.reason == REASON_NONE));
	if (hello.name != NULL)
		assert(hello.name > message &&
		       hello.name + hello.name_len <= message + v->scan.length);
}

static void
stream(const uint8_t *data, size_t len, bool second)
{
	struct verdict whole = follow(data, len, len, second), cut;
	size_t step;

	for (step = 1; step < 8; step++) {
		cut = follow(data, len, step, second);
		same(&whole, &cut);
	}
	assert(whole.scan.at <= len);
	if (len > MAX)
		assert(whole.progress != CLIENT_HELLO_MORE);
	if (!second)
		assert(whole.progress != CLIENT_HELLO_PASS &&
		       whole.progress != CLIENT_HELLO_NONE);
	if (whole.progress == CLIENT_HELLO_WHOLE)
		read_message(&whole, data);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	if (len == 0)
		return (0);
	if (data[0] % 2 == 0)
		server_name(data + 1, len - 1);
	else
		stream(data + 1, len - 1, (data[0] & 2) != 0);
	return (0);
}
