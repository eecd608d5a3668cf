/*
 * The first byte chooses: the body of a server_name extension, or a stream of
 * bytes whose verdict must not depend on how it was cut.
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

/* Feeds in steps; returns the verdict. */
static enum reason
feed(const uint8_t *data, size_t len, size_t step)
{
	struct client_hello_watch w = { 0 };
	enum reason reason = REASON_NONE;
	size_t n, done = 0;

	while (done < len && reason == REASON_NONE) {
		n = step < len - done ? step : len - done;
		reason = client_hello_feed(&w, data + done, n, MAX);
		done += n;
	}
	return (reason);
}

static void
stream(const uint8_t *data, size_t len)
{
	enum reason byte_by_byte = feed(data, len, 1);
	size_t step;

	for (step = 2; step < 8; step++)
		assert(feed(data, len, step) == byte_by_byte);
	assert(feed(data, len, len) == byte_by_byte || len == 0);
	if (len > MAX)
		assert(byte_by_byte != REASON_NONE);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	if (len == 0)
		return (0);
	if (data[0] % 2 == 0)
		server_name(data + 1, len - 1);
	else
		stream(data + 1, len - 1);
	return (0);
}
